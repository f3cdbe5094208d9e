"""Jupyter Book always loads sphinx-thebe, whose script names another host and is put on every page twice: leave it out."""


def setup(app):
    for listeners in app.events.listeners.values():
        listeners[:] = [one for one in listeners if not one.handler.__module__.startswith("sphinx_thebe")]
    return {"parallel_read_safe": True}
