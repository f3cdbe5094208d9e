"""Jupyter Book always loads sphinx-thebe; leave it out.

Its script names another host, and is put on every page twice.
"""


def setup(app):
    """Drop the listeners, style sheets and scripts of sphinx-thebe.

    Args:
        app: the Sphinx application.

    Returns:
        What Sphinx wants to know of an extension.
    """
    for listeners in app.events.listeners.values():
        listeners[:] = [one for one in listeners if not _is_thebes(one.handler)]
    for files in (app.registry.css_files, app.registry.js_files):
        files[:] = [entry for entry in files if "thebe" not in (entry[0] or "")]
    return {"parallel_read_safe": True}


def _is_thebes(handler):
    return handler.__module__.startswith("sphinx_thebe")
