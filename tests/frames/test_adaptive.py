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

SHARES = np.array([[0.4, 0.3, 0.3], [0.3, 0.5, 0.2], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1]])


def _crowd(seed: int, size: int = 6_000, effect: float = 0.0) -> pd.DataFrame:
    """Three arms over four days; more of "a" day by day, as the days themselves get better."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(4), size // 4)
    arm = (rng.random((day.size, 1)) > SHARES[day].cumsum(axis=1)[:, :-1]).sum(axis=1)
    spend = rng.exponential(5.0 + 3.0 * day + effect * (arm == 1))
    names = np.array(["none", "a", "b"])[arm]
    return pd.DataFrame({"arm": names, "day": day + 9, "chance": SHARES[day, arm], "spend": spend})


def _read(crowd: pd.DataFrame, control: str = "none") -> adaptive.Adaptive:
    return offerlab.adaptive(crowd, "spend", variant="arm", control=control, batch="day", propensity="chance")


def test_the_example_runs() -> None:
    """What the docstring shows is what comes out."""
    assert doctest.testmod(adaptive).failed == 0


def test_rows_and_batches_say_the_same() -> None:
    """The engine on counts, means, squares and cubes by pandas; batches in the order of their numbers (9 before 10)."""
    crowd = _crowd(1)
    found = _read(crowd)
    spend, arm, day = (crowd[name].to_numpy() for name in ("spend", "arm", "day"))
    cells = [[spend[(arm == name) & (day == at)] for name in ("none", "a", "b")] for at in range(9, 13)]
    parts = [
        [[each.size for each in row] for row in cells],
        [[each.mean() for each in row] for row in cells],
        *([[((each - each.mean()) ** power).sum() for each in row] for row in cells] for power in (2, 3)),
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
    said = _read(crowd).effect("a")
    assert isinstance(said, Effect)
    assert means["a"] - means["none"] > 2.0
    assert said.absolute.contains(0.0)


def test_a_planted_effect_is_found() -> None:
    """Two units more in one arm: its range holds them, and leaves out zero."""
    said = _read(_crowd(3, effect=2.0)).effect("a")
    assert isinstance(said, Effect)
    assert said.absolute.contains(2.0)
    assert said.p_value < 0.05


def test_an_arm_that_nobody_got_has_what_the_others_leave() -> None:
    """A small batch without a row of one arm counts all the same; one that could not have had it says nothing of it."""
    crowd = _crowd(4)
    fewer = crowd[~((crowd["day"] == 9) & (crowd["arm"] == "b"))]
    assert isinstance(_read(fewer).effect("b"), Effect)
    later = crowd.assign(chance=np.where(crowd["day"] == 9, crowd["chance"] / 0.7, crowd["chance"]))
    later = later[~((later["day"] == 9) & (later["arm"] == "b"))]
    without, whole = (_read(each) for each in (later[later["day"] > 9], later))
    assert without.effect("b") == whole.effect("b")
    assert without.effect("a") != whole.effect("a")


def test_what_cannot_be_compared_is_said() -> None:
    """Outcomes that do not vary, and arms that no batch could have had both, are undetermined."""
    crowd = _crowd(5)
    still = _read(crowd.assign(spend=1.0)).effect("a")
    assert isinstance(still, Undetermined)
    apart = crowd.assign(chance=1.0, day=crowd["arm"])
    alone = _read(apart).effect("a")
    assert isinstance(alone, Undetermined)
    assert "no batch" in repr(_read(apart)).lower()


def test_wrong_calls_are_refused() -> None:
    """No such control, propensities that differ within an arm's batch, or that do not add up to one."""
    crowd = _crowd(6)
    with pytest.raises(InvalidInput, match="No row has"):
        _read(crowd, "nobody")
    with pytest.raises(InvalidInput, match="tells them apart"):
        _read(crowd.assign(day=9))
    with pytest.raises(InvalidInput, match="not to one"):
        _read(crowd.assign(chance=crowd["chance"] / 2))
