"""A figure for every screen and theme: inline SVG in the style sheet's colours."""

import hashlib
import re
from io import StringIO

import matplotlib

from companion.plots import narrow
from companion.plots.colors import CSS
from companion.plots.ticks import ten_to, write_plainly


def figure_html(figure):
    """A figure as the page shows it; it is another figure afterwards.

    Args:
        figure: a ``matplotlib.figure.Figure``.

    Returns:
        One ``<div class="kd-figure">`` as text, with the drawings of
        :func:`inline_svg`.
    """
    return f'<div class="kd-figure" role="img">\n{inline_svg(figure)}</div>'


def inline_svg(figure):
    """A figure as two drawings, of which the style sheet shows the one that fits.

    The first is for the page's column, the second for a phone. Their element ids are
    their own, so that many fit on one page.

    Args:
        figure: a ``matplotlib.figure.Figure``.

    Returns:
        ``<svg>`` elements as text: one of the class ``kd-wide``, then one or two of the
        class ``kd-narrow``, of which a legend that stays in view is ``kd-key`` too.
    """
    write_plainly(figure)
    narrow.fit_column(figure)
    wide = _element(figure, "kd-wide", most=1.0)
    legend = narrow.stack(figure)
    key = ""
    if legend:  # another figure may have the same one
        key = _element(legend, "kd-narrow kd-key", most=1.35, of=wide)
    return wide + key + _element(figure, "kd-narrow", most=1.35)


def wide_drawings(html):
    """The drawings for the page's column in what a cell shows, each as one ``<svg>``.

    Args:
        html: text of :func:`figure_html`, or what holds :func:`inline_svg`.

    Returns:
        List of texts, which stand by themselves.
    """
    return re.findall(r'<svg[^>]* class="kd-wide".*?</svg>', html, re.DOTALL)


def _element(figure, class_name, *, most, of=""):
    """One drawing, which grows with the page to so many times its own width."""
    svg = _drawing(figure)
    own = "kd" + hashlib.sha1((of + svg).encode()).hexdigest()[:8]
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{own}-\1"', svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\1{own}-", svg)
    svg = re.sub(r"#[0-9a-f]{6}\b", lambda color: CSS.get(color[0], color[0]), svg)
    svg = re.sub(r"(?<=>)[^<>]+(?=</text>|</tspan>)", _as_written, svg)
    svg = re.sub(r'(?<= )(?:d|x|y|transform)="[^"]*"', _shorter, svg)
    size = f"width:100%;max-width:{most * 96 * figure.get_figwidth():.0f}px"
    shown = rf'\1 class="{class_name}" style="{size}"'
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', shown, svg, count=1)
    return re.sub(r"\s*\n\s*", "\n", svg)


def _shorter(places):
    """An attribute's numbers to a hundredth of a point."""
    return re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", places[0])


def _as_written(words):
    """A text whose numbers have a sign of minus, and powers of ten without e."""
    text = re.sub(r"(?<![\w.])(\d(?:\.\d+)?)e([+-]\d+)\b", _power, words[0])
    return re.sub(r"(?<![\w.-])-(?=[\d.]*\d)", "−", text)


def _power(number):
    power = ten_to(int(number[2]))
    return power if number[1] == "1" else f"{number[1]}·{power}"


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
