"""The repository's address, which ``_config.yml`` may give, and what it leads to.

Without an address there are no links. They are for readers who follow them; a page asks
no other host when it is opened.
"""

from urllib.parse import quote

import yaml

from companion.press import chapters

GITHUB = "https://github.com/"
# Where a chapter's notebook lies in the repository.
NOTEBOOK = "book/notebooks/{}.ipynb"


def configuration():
    """What ``_config.yml`` holds; nothing where there is no such file."""
    path = chapters.book().parent / "_config.yml"
    if not path.is_file():
        return {}
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def address():
    """The repository's address without a slash at its end; empty where it has none."""
    url = (configuration().get("repository") or {}).get("url") or ""
    return url.strip().rstrip("/").removesuffix(".git")


def tree(commit):
    """Where the files of a commit can be read.

    Args:
        commit: as a run's record has it; it ends with ``+`` where files differ from it.

    Returns:
        An address, or None where the repository has none or the commit is unknown.
    """
    home = address()
    return f"{home}/tree/{commit.rstrip('+')}" if home and commit else None


def launchers(chapter, commit):
    """Where a chapter's notebook can be run on other people's machines.

    Args:
        chapter: full name of the chapter.
        commit: as a run's record has it, or None.

    Returns:
        Dict from a service's name to an address; empty where the repository has none.
    """
    home = address()
    if not home:
        return {}
    notebook = NOTEBOOK.format(chapter)
    place = f"?labpath={quote(notebook, safe='')}"
    if not home.startswith(GITHUB):
        whole = quote(home, safe="")
        return {"Binder": f"https://mybinder.org/v2/git/{whole}/HEAD{place}"}
    name = home.removeprefix(GITHUB)
    at = commit.rstrip("+") if commit else "HEAD"
    colab = "https://colab.research.google.com/github"
    return {
        "Colab": f"{colab}/{name}/blob/{at}/{notebook}",
        "Binder": f"https://mybinder.org/v2/gh/{name}/{at}{place}",
    }
