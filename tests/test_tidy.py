"""Array columns laid out in tidy frames: what failed is known at each mean that it touches."""

import numpy
import pandas
import pytest

from companion import sweeps
from kdlib import intervals

RATIOS, SIZES = [1.0, 0.5], [10, 20, 40]


def rows(seeds, failed=()):
    """A sweep's frame whose array holds 100 seed + 10 i + j at the place (i, j)."""
    places = 10 * numpy.arange(2)[:, None] + numpy.arange(3)
    table = [{"depth": 2, "stops": [1, 2], "device": "cpu", "seed": seed, "risk": 100 * seed + places, "other": -places,
              "teacher": 0.5 * seed, "seconds": 1.0} for seed in seeds]
    frame = pandas.DataFrame(table)
    lost = [{"setting": {"depth": 2, "stops": [1, 2]}, "seed": seed, "error": "E", "traceback": ""} for seed in failed]
    frame.attrs = {"failed": lost, "finished": len(table)}
    return frame


def test_every_number_of_the_arrays_has_a_row_of_its_own():
    frame = sweeps.tidy(rows([0, 1, 2]), ["risk", "other"], soft_ratio=RATIOS, n=SIZES)
    assert list(frame.columns) == ["depth", "seed", "teacher", "soft_ratio", "n", "risk", "other"]
    assert len(frame) == 3 * 2 * 3 and not frame.duplicated(["seed", "soft_ratio", "n"]).any()
    for row in frame.itertuples():
        place = 10 * RATIOS.index(row.soft_ratio) + SIZES.index(row.n)
        assert (row.risk, row.other, row.teacher) == (100 * row.seed + place, -place, 0.5 * row.seed)


def test_axes_in_another_order_than_the_array_are_refused():
    with pytest.raises(ValueError, match=r"risk must have the shape \(3, 2\) of its axes \(n 3, soft_ratio 2\)"):
        sweeps.tidy(rows([0]), "risk", n=SIZES, soft_ratio=RATIOS)


@pytest.mark.parametrize("by", [["soft_ratio", "n"], "n", ["depth", "n"], "doubled"])
def test_means_over_a_tidy_frame_say_where_a_seed_is_missing(by):
    frame = sweeps.tidy(rows([0, 2], failed=[1]), "risk", soft_ratio=RATIOS, n=SIZES)
    frame = frame.assign(doubled=2 * frame["n"])  # a column that no failed row has a value of: it is missed everywhere
    frame = frame[frame["soft_ratio"] == 1.0]
    band = intervals.mean_band(frame, by, "risk")
    assert len(band) == 3 and set(band["seeds"]) == {"2 of 3"}
    assert list(band["mean"]) == [100.0, 101.0, 102.0]


def test_a_group_whose_every_seed_failed_is_there_and_empty_only_where_it_was_not_left_out():
    frame = sweeps.tidy(rows([0, 1]), "risk", soft_ratio=RATIOS, n=SIZES)
    lost = {"setting": {"depth": 3}, "error": "E", "traceback": ""}
    frame.attrs["failed"] = [lost | {"seed": seed} for seed in (0, 1)]
    band = intervals.mean_band(frame, ["depth", "n"], "risk").set_index(["depth", "n"])
    assert set(band.loc[2, "seeds"]) == {"4"} and set(band.loc[3, "seeds"]) == {"0 of 2"}
    chosen = intervals.mean_band(frame[frame["n"] == 10], ["depth", "n"], "risk")
    assert set(chosen["depth"]) == {2}
