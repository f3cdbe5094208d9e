"""The extra ``book``: what executing chapters and printing pages takes beyond the
packages' own needs."""

import importlib.util

# The module that each requirement of the extra brings.
MODULES = {
    "beautifulsoup4": "bs4",
    "jupyter-book": "jupyter_book",
    "jupytext": "jupytext",
    "sphinx-mathjax-offline": "sphinx-mathjax-offline",
    "sphinx-proof": "sphinx_proof",
}


def check():
    """Refuses, before any work, where the extra is not installed.

    Raises:
        ValueError: the message says in one line what is missing and how to get it.
    """
    lacking = []
    for name, module in MODULES.items():
        if importlib.util.find_spec(module) is None:
            lacking.append(name)
    if lacking:
        raise ValueError(
            f"this needs the extra book, pip install 'kdlib[book]'; here is no "
            f"{', '.join(lacking)}"
        )
