"""Jupyter Book always loads sphinx-thebe, whose script names another host and is put on every page twice: leave it out."""


def setup(app):
    for listeners in app.events.listeners.values():
        listeners[:] = [one for one in listeners if not one.handler.__module__.startswith("sphinx_thebe")]
    for files in (app.registry.css_files, app.registry.js_files):
        files[:] = [(name, options) for name, options in files if "thebe" not in (name or "")]
    return {"parallel_read_safe": True}
