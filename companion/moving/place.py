"""The place in which a script draws: its data, its rows, and a still figure."""

import json

import matplotlib.pyplot as plt
from IPython.display import display

from companion import markup, plots

SAID = "A figure that moves; without JavaScript it shows its first setting."


def figure(kind, rows, *, still, **settings):
    """Shows the place in which a script draws, with rows for the page's drawer.

    Args:
        kind: CSS class that the script looks for, such as ``kd-effective-logits``.
        rows: ``pandas.DataFrame`` that the drawer offers as CSV: the numbers at the
            figure's first setting, or all.
        still: ``matplotlib.figure.Figure`` of the first setting, which a page shows
            until the script draws, and a reader without JavaScript sees; it is closed.
        **settings: start values and data, given to the script as ``data-…``
            attributes; what is not text is JSON.

    Raises:
        ValueError: ``rows`` is empty, or a setting is NaN or infinite.

    Source: none; this is how the book shows what no paper page can.
    """
    if not len(rows):
        raise ValueError("a figure that moves needs rows, and there are none")
    data = {}
    for name, value in settings.items():
        is_text = isinstance(value, str)
        text = value if is_text else json.dumps(value, allow_nan=False)
        data[f"data_{name}"] = text
    # The group has the alternative text, which tells what the drawing shows.
    drawing = markup.element("div", _svg(still), class_="kd-still", aria_hidden="true")
    place = markup.element("div", drawing, class_=kind, **data)
    html = markup.element("div", place, class_="kd-figure kd-moving", role="group")
    frames = {"rows": {"rows": rows.to_csv(index=False)}}
    display(
        {"text/html": str(html), "text/plain": SAID},
        raw=True,
        metadata={"text/html": {"kdlib": frames}},
    )


def _svg(still):
    """A figure as inline SVG; neither it nor its rows are shown a second time."""
    svg = markup.Markup(plots.inline_svg(still))
    plt.close(still)
    plots.take_rows()
    return svg
