"""The papers' own curves, as they were measured from the vector figures."""

import json
from importlib import resources


def curves(name):
    """A paper's published curves, as measured from its vector figures.

    Args:
        name: ``ji_zhu_2020``.

    Returns:
        dict: figure -> ``{"what", "x", "y", "curves": {legend label: [[x, y], ...]}}``;
        ``"_about"`` says how they were measured.

    Raises:
        ValueError: no curves of that name.

    Source: Ji & Zhu, Knowledge distillation in wide neural networks (NeurIPS 2020),
    Figs 2 to 5.
    """
    folder = resources.files("kdlib") / "papers"
    names = sorted(file.name for file in folder.iterdir())
    known = [file.removesuffix(".json") for file in names if file.endswith(".json")]
    if name not in known:
        raise ValueError(f"name must be one of {', '.join(known)}; got {name!r}")
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
