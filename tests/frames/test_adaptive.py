"""`offerlab.adaptive`: the engine's weighting from any frame with its propensities."""

import doctest

import numpy as np
import pandas as pd
import pytest

import offerlab
from offerlab.errors import InvalidInput
from offerlab.frames import adaptive
from offerlab.stats.adaptive import adaptive_difference
from offerlab.stats.effect import Effect, Undetermined

COLUMNS = {"variant": "arm", "control": "none", "batch": "day", "propensity": "chance"}
SHARES = np.array([[0.4, 0.3, 0.3], [0.3, 0.5, 0.2], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1]])


def _crowd(seed: int, size: int = 6_000, effect: float = 0.0) -> pd.DataFrame:
    """Three arms over four days; more of "a" day by day, as the days themselves get better."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(4), size // 4)
    arm = (rng.random((day.size, 1)) > SHARES[day].cumsum(axis=1)[:, :-1]).sum(axis=1)
    spend = rng.exponential(5.0 + 3.0 * day + effect * (arm == 1))
    names = np.array(["none", "a", "b"])[arm]
    return pd.DataFrame({"arm": names, "day": day + 9, "chance": SHARES[day, arm], "spend": spend})


def test_the_example_runs() -> None:
    """What the docstring shows is what comes out."""
    assert doctest.testmod(adaptive).failed == 0


def test_rows_and_batches_say_the_same() -> None:
    """The engine on counts, means, squares and cubes by pandas; batches in the order of their numbers (9 before 10)."""
    crowd = _crowd(1)
    found = offerlab.adaptive(crowd, "spend", **COLUMNS)
    cells = crowd.groupby(["day", "arm"])["spend"]
    parts = [
        cells.agg(how).unstack()[["none", "a", "b"]].to_numpy(dtype=np.float64)
        for how in (
            "size",
            "mean",
            lambda x: ((x - x.mean()) ** 2).sum(),
            lambda x: ((x - x.mean()) ** 3).sum(),
        )
    ]
    for i, name in ((1, "a"), (2, "b")):
        judge, said = adaptive_difference(SHARES, *parts, arms=(i, 0)), found.effect(name)
        assert isinstance(said, Effect)
        assert said.absolute.estimate == pytest.approx(float(judge.estimate))
        assert said.absolute.lower == pytest.approx(float(judge.lower))
        assert said.p_value == pytest.approx(float(judge.p_value))
        assert np.sign(said.z) == np.sign(said.absolute.estimate)
    assert (found.batches, sum(found.customers.values())) == (4, 6_000)


def test_better_days_are_no_effect() -> None:
    """Nothing was planted: the plain difference of means is far off, the weighted one holds zero."""
    crowd = _crowd(2)
    means = crowd.groupby("arm")["spend"].mean()
    said = offerlab.adaptive(crowd, "spend", **COLUMNS).effect("a")
    assert isinstance(said, Effect)
    assert means["a"] - means["none"] > 2.0
    assert said.absolute.contains(0.0)


def test_a_planted_effect_is_found() -> None:
    """Two units more in one arm: its range holds them, and leaves out zero."""
    said = offerlab.adaptive(_crowd(3, effect=2.0), "spend", **COLUMNS).effect("a")
    assert isinstance(said, Effect)
    assert said.absolute.contains(2.0)
    assert said.p_value < 0.05


def test_an_arm_that_nobody_got_has_what_the_others_leave() -> None:
    """A small batch without a row of one arm counts all the same; one that could not have had it says nothing of it."""
    crowd = _crowd(4)
    fewer = crowd[~((crowd["day"] == 9) & (crowd["arm"] == "b"))]
    assert isinstance(offerlab.adaptive(fewer, "spend", **COLUMNS).effect("b"), Effect)
    later = crowd.assign(chance=np.where(crowd["day"] == 9, crowd["chance"] / 0.7, crowd["chance"]))
    later = later[~((later["day"] == 9) & (later["arm"] == "b"))]
    without, whole = (offerlab.adaptive(each, "spend", **COLUMNS) for each in (later[later["day"] > 9], later))
    assert without.effect("b") == whole.effect("b")
    assert without.effect("a") != whole.effect("a")


def test_what_cannot_be_compared_is_said() -> None:
    """Outcomes that do not vary, and arms that no batch could have had both, are undetermined."""
    crowd = _crowd(5)
    still = offerlab.adaptive(crowd.assign(spend=1.0), "spend", **COLUMNS).effect("a")
    assert isinstance(still, Undetermined)
    apart = crowd.assign(chance=1.0, day=crowd["arm"])
    alone = offerlab.adaptive(apart, "spend", **COLUMNS).effect("a")
    assert isinstance(alone, Undetermined)
    assert "no batch" in repr(offerlab.adaptive(apart, "spend", **COLUMNS)).lower()


def test_wrong_calls_are_refused() -> None:
    """No such control, propensities that differ within an arm's batch, or that do not add up to one."""
    crowd = _crowd(6)
    with pytest.raises(InvalidInput, match="No row has"):
        offerlab.adaptive(crowd, "spend", **(COLUMNS | {"control": "nobody"}))
    with pytest.raises(InvalidInput, match="tells them apart"):
        offerlab.adaptive(crowd.assign(day=9), "spend", **COLUMNS)
    with pytest.raises(InvalidInput, match="not to one"):
        offerlab.adaptive(crowd.assign(chance=crowd["chance"] / 2), "spend", **COLUMNS)
