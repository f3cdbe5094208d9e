"""One drawing for both themes: inline SVG whose colours are the style sheet's."""

import hashlib
import re
from io import StringIO

import matplotlib

from companion.plots.colors import CSS


def figure_html(figure):
    """A figure as inline SVG that scales with the page.

    Args:
        figure: a ``matplotlib.figure.Figure``.

    Returns:
        One ``<div class="kd-figure">`` as text.
    """
    return f'<div class="kd-figure" tabindex="0">\n{inline_svg(figure)}</div>'


def inline_svg(figure):
    """A figure as one element for a page.

    Args:
        figure: a ``matplotlib.figure.Figure``.

    Returns:
        One ``<svg>`` as text; its element ids are the drawing's own, so that many fit
        on one page.
    """
    svg = _drawing(figure)
    own = "kd" + hashlib.sha1(svg.encode()).hexdigest()[:8]
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{own}-\1"', svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\1{own}-", svg)
    svg = re.sub(r"#[0-9a-f]{6}\b", lambda color: CSS.get(color[0], color[0]), svg)
    width = 96 * figure.get_figwidth()
    size = f"width:100%;max-width:{width:.0f}px;min-width:{0.6 * width:.0f}px"
    shown = rf'\1 role="img" style="{size}"'
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', shown, svg, count=1)
    return re.sub(r"\s*\n\s*", "\n", svg)


def _drawing(figure):
    """What matplotlib draws, without dates, names of programs and styles."""
    text = StringIO()
    nothing = {"Date": None, "Creator": None}
    with matplotlib.rc_context({"svg.hashsalt": "kdlib"}):
        figure.savefig(text, format="svg", transparent=True, metadata=nothing)
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    dropped = r"<metadata>.*?</metadata>|<style.*?</style>"
    return re.sub(dropped, "", svg, flags=re.DOTALL)
