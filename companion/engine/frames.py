"""Rows as frames, and tidy."""

import numpy
import pandas

from companion.engine import rows


def tidy(table, names, **axes):
    """The array columns of a sweep as a tidy frame that still knows which rows failed.

    Args:
        table: a frame of ``sweeps.run_sweep``, or rows selected from it.
        names: the column to lay out, or a list of columns whose arrays have one shape.
        **axes: for each axis of the arrays, in their order, its name and the values
            along it.

    Returns:
        A frame with a row for each row of the sweep and combination of the axes'
        values. Its columns are the settings that are single values, ``seed``, the axes
        and ``names``. Means over it (``intervals.mean_band``) say where seeds are
        missing.

    Raises:
        ValueError: an array's shape is not that of the axes.

    Example:
        >>> risks = [[0.5, 0.25], [0.5, 0.75]]
        >>> table = pandas.DataFrame({"seed": [0, 1], "risk": risks})
        >>> tidy(table, "risk", n=[10, 20])["risk"].tolist()
        [0.5, 0.25, 0.5, 0.75]
    """
    names = [names] if isinstance(names, str) else list(names)
    _check_shapes(table, names, axes)
    cells = pandas.MultiIndex.from_product(axes.values(), names=list(axes))
    kept = [name for name in table.columns if _is_single(table[name])]
    kept = [name for name in kept if name not in ("device", "seconds", *names, *axes)]
    frame = table[kept].loc[table.index.repeat(len(cells))].reset_index(drop=True)
    for axis in axes:
        frame[axis] = numpy.tile(cells.get_level_values(axis), len(table))
    for name in names:
        arrays = [numpy.ravel(array) for array in table[name]]
        frame[name] = numpy.concatenate(arrays) if arrays else []
    frame.attrs = {
        "failed": table.attrs.get("failed", []),
        "axes": {axis: list(values) for axis, values in axes.items()},
        "finished": table.attrs.get("finished", len(table)) * len(cells),
    }
    return frame


def frame(results, failed, sweep):
    """The finished rows in the order asked.

    Args:
        results: :class:`companion.engine.asked.AskedRows`.
        failed: of :func:`companion.engine.failures.failed_rows`.
        sweep: what the rows have in common.

    Returns:
        A frame with the settings' names, ``seed``, what was measured and ``seconds``;
        ``attrs`` holds ``failed``, the number ``finished``, ``machines``, ``sweep``.
    """
    table = []
    machines = set()
    for key, task in results.tasks.items():
        row = results.finished.get(key)
        if row is not None:
            values = rows.decode(results.folder, row.values)
            named = {**task.setting, "seed": task.seed}
            table.append({**named, **values, "seconds": row.seconds})
            machines.add(row.machine)
    attrs = {"failed": failed, "finished": len(table), "machines": sorted(machines)}
    framed = pandas.DataFrame(table)
    seconds = framed.pop("seconds")
    framed["seconds"] = seconds  # last, also where rows have different names
    framed.attrs = attrs | {"sweep": sweep["sweep"]}
    return framed


def _is_single(column):
    """Whether a column holds one number, text or nothing in each row."""
    return all(
        not hasattr(value, "__len__") or isinstance(value, str) for value in column
    )


def _check_shapes(table, names, axes):
    shape = tuple(len(values) for values in axes.values())
    for name in names:
        for array in table[name]:
            if numpy.shape(array) != shape:
                wanted = ", ".join(f"{axis} {len(axes[axis])}" for axis in axes)
                raise ValueError(
                    f"{name} must have the shape {shape} of its axes ({wanted}), got "
                    f"{numpy.shape(array)}"
                )
