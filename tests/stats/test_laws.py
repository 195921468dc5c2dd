"""The laws that every comparison obeys, and the poor data that none may choke on: one table of tests, one of laws."""

from collections.abc import Callable
from math import isfinite, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from offerlab.stats.clustered import clustered_difference
from offerlab.stats.cuped import adjusted_difference
from offerlab.stats.effect import Effect, Interval, Outcome, Undetermined
from offerlab.stats.looks import Rule
from offerlab.stats.means import mean_difference
from offerlab.stats.moments import Moments, from_values, merge_all, stack
from offerlab.stats.newcombe import newcombe_counts
from offerlab.stats.peeking import safe_effect
from offerlab.stats.proportions import compare_counts, converted
from offerlab.stats.quantiles import arrange, quantile_difference
from offerlab.stats.rare import rate_ratio
from offerlab.stats.ratios import adjusted_ratio_differences, ratio_difference
from offerlab.stats.resampling import resampled, resampled_difference
from offerlab.stats.roi import return_on_cost
from offerlab.stats.sequential import Look
from offerlab.stats.stratified import stratified_differences

Rows = np.ndarray
"""(customers, 3): revenue (zeros among it), orders, revenue before."""
Test = Callable[[Rows, Rows, float], Outcome]


def _moments(rows: Rows) -> Moments:
    return from_values(("revenue", "orders", "before"), rows)


def _mean(method: str) -> Test:
    return lambda c, t, a: mean_difference(_moments(c), _moments(t), alpha=a, method=method)  # type: ignore[arg-type]  # one of the literals


def _adjusted(slopes: str) -> Test:
    return lambda c, t, a: adjusted_difference(
        _moments(c),
        _moments(t),
        alpha=a,
        covariates=["before", "orders"],
        slopes=slopes,  # type: ignore[arg-type]  # one of the literals
    )[0]


def _ratio(c: Rows, t: Rows, alpha: float) -> Outcome:
    return ratio_difference(_moments(c), _moments(t), alpha=alpha)


def _adjusted_ratio(c: Rows, t: Rows, alpha: float) -> Outcome:
    arms = stack([_moments(c)]), stack([_moments(t)])
    return adjusted_ratio_differences(*arms, alpha=alpha, covariates=["before"]).effects.only()


def _return(c: Rows, t: Rows, alpha: float) -> Outcome:
    return return_on_cost(_moments(c), _moments(t), alpha=alpha, profit="revenue", cost="orders")


def _stratified(c: Rows, t: Rows, alpha: float) -> Outcome:
    halves = [stack([_moments(rows[::2]), _moments(rows[1::2])]) for rows in (c, t)]
    return stratified_differences(*halves, alpha=alpha).effects.only()


def _quantile(c: Rows, t: Rows, alpha: float) -> Outcome:
    return quantile_difference(arrange(c[:, 0]), arrange(t[:, 0]), 0.7, alpha=alpha)


def _clustered(c: Rows, t: Rows, alpha: float) -> Outcome:
    both = np.concatenate([c, t])
    treated = np.arange(len(both)) >= len(c)
    owners = np.concatenate([np.arange(len(c)) // 3, 10_000 + np.arange(len(t)) // 3])
    return clustered_difference(both[:, 0], treated, owners, alpha=alpha, covariates=both[:, 2:])


def _bootstrap(c: Rows, t: Rows, alpha: float) -> Outcome:
    """Both arms by one stream of chance, so that arms may change places."""
    arms = [
        resampled(rows[:, :1], lambda x: float(x.mean()) if len(x) else np.nan, np.random.default_rng(1), resamples=199)
        for rows in (c, t)
    ]
    for arm in arms:
        if isinstance(arm, Undetermined):
            return arm
    return resampled_difference(arms[0], arms[1], alpha=alpha)  # type: ignore[arg-type]  # looked at above


def _counts(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    flags = from_values(("bought",), (rows[:, 0] > 0).astype(float))
    return np.atleast_1d(converted(flags)), np.atleast_1d(flags.n)


def _score(c: Rows, t: Rows, alpha: float) -> Outcome:
    return compare_counts(*_counts(c), *_counts(t), alpha=alpha).only()


def _barnard(c: Rows, t: Rows, alpha: float) -> Outcome:
    return compare_counts(*_counts(c), *_counts(t), alpha=alpha, exact="barnard").only()


def _newcombe(c: Rows, t: Rows, alpha: float) -> Outcome:
    return newcombe_counts(*_counts(c), *_counts(t), alpha=alpha).only()


def _rare(c: Rows, t: Rows, alpha: float) -> Outcome:
    (x_c, n_c), (x_t, n_t) = _counts(c), _counts(t)
    return rate_ratio(x_c, x_t, n_c + n_t, 0.5, alpha=alpha)


def _read(kind: str) -> Test:
    def at_half(c: Rows, t: Rows, alpha: float) -> Outcome:
        n = float(len(c) + len(t))
        rule = Rule(kind, max(2 * n, 1.0), alpha)  # type: ignore[arg-type]  # one of the literals
        looks = [Look(n / 2, float("nan"))] if n else []
        return safe_effect(lambda a: mean_difference(_moments(c), _moments(t), alpha=a), max(n, 1.0), rule, looks)[0]

    return at_half


TESTS: dict[str, Test] = {
    "mean": _mean("auto"),
    "contrast": _mean("contrast"),
    "welch": _mean("welch"),
    "adjusted": _adjusted("common"),
    "own slopes": _adjusted("own"),
    "ratio": _ratio,
    "adjusted ratio": _adjusted_ratio,
    "return": _return,
    "stratified": _stratified,
    "quantile": _quantile,
    "clustered": _clustered,
    "bootstrap": _bootstrap,
    "score": _score,
    "barnard": _barnard,
    "newcombe": _newcombe,
    "rare": _rare,
    "group": _read("group"),
    "always": _read("always"),
}
ON_MONEY = sorted(set(TESTS) - {"score", "barnard", "newcombe", "rare"})
SIGNED = sorted(set(TESTS) - {"return"})


@st.composite
def arms(draw: st.DrawFn) -> tuple[Rows, Rows]:
    """Sparse, skewed revenue in two arms of different size, with a past that tells a little."""
    rng = np.random.default_rng(draw(st.integers(0, 100_000)))
    share, lift = draw(st.floats(0.2, 0.9)), draw(st.floats(0.3, 3.0))
    made = []
    for factor, size in ((1.0, draw(st.integers(30, 90))), (lift, draw(st.integers(30, 90)))):
        before = rng.gamma(1.0, 20.0, size)
        bought = rng.random(size) < share
        revenue = np.where(bought, np.round(factor * (before + rng.gamma(1.0, 30.0, size)), 2), 0.0)
        made.append(np.column_stack([revenue, np.where(bought, 1.0 + rng.poisson(0.5, size), 0.0), before]))
    return made[0], made[1]


@pytest.mark.parametrize("name", TESTS)
@settings(max_examples=8)
@given(data=arms(), alpha=st.sampled_from([0.3, 0.05, 0.01]))
def test_zero_is_outside_both_intervals_exactly_when_p_is_below_alpha(
    name: str, data: tuple[Rows, Rows], alpha: float
) -> None:
    """One verdict, whatever the unit of display; the estimate stays inside its interval."""
    said = TESTS[name](*data, alpha)
    if isinstance(said, Undetermined) or abs(said.p_value - alpha) < 1e-9:
        return
    assert 0.0 <= said.p_value <= 1.0
    intervals = [part for part in (said.absolute, said.relative) if isinstance(part, Interval)]
    for interval in intervals:
        assert (said.p_value < alpha) == (not interval.contains(0.0))
        assert interval.contains(interval.estimate)


@pytest.mark.parametrize("name", SIGNED)
@settings(max_examples=5)
@given(data=arms())
def test_swapping_the_arms_flips_the_sign(name: str, data: tuple[Rows, Rows]) -> None:
    """The same p-value and the mirrored difference."""
    one, two = TESTS[name](*data, 0.05), TESTS[name](data[1], data[0], 0.05)
    if isinstance(one, Undetermined) or isinstance(two, Undetermined):
        assert isinstance(one, Undetermined) == isinstance(two, Undetermined)
        return
    assert two.p_value == pytest.approx(one.p_value, rel=1e-6, abs=1e-12)
    assert two.absolute.estimate == pytest.approx(-one.absolute.estimate, rel=1e-6, abs=1e-9)
    assert two.absolute.lower == pytest.approx(-one.absolute.upper, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("name", ON_MONEY)
@settings(max_examples=5)
@given(data=arms(), unit=st.sampled_from([1e-4, 100.0, 1e6]))
def test_rescaling_money_changes_no_p_and_no_lift(name: str, data: tuple[Rows, Rows], unit: float) -> None:
    """Pounds or pence."""
    scaled = [np.column_stack([rows[:, 0] * unit, rows[:, 1], rows[:, 2] * unit]) for rows in data]
    one, two = TESTS[name](*data, 0.05), TESTS[name](scaled[0], scaled[1], 0.05)
    if isinstance(one, Undetermined) or isinstance(two, Undetermined):
        assert isinstance(one, Undetermined) == isinstance(two, Undetermined)
        return
    assert two.p_value == pytest.approx(one.p_value, rel=1e-5, abs=1e-12)
    assert two.absolute.estimate == pytest.approx(unit * one.absolute.estimate, rel=1e-6, abs=1e-9 * unit)
    if isinstance(one.relative, Interval) and isinstance(two.relative, Interval) and one.relative.is_finite:
        assert two.relative.lower == pytest.approx(one.relative.lower, rel=1e-4, abs=1e-6)


@settings(max_examples=10)
@given(data=arms(), cut=st.integers(0, 30), other=st.integers(0, 30))
def test_splitting_days_changes_nothing(data: tuple[Rows, Rows], cut: int, other: int) -> None:
    """Moments of days, merged in any order, give the same mean, ratio, adjusted and returned effects."""
    whole = [_moments(rows) for rows in data]
    days = [merge_all([_moments(rows[at:]), _moments(rows[:at])]) for rows, at in zip(data, (cut, other), strict=True)]
    for pair in (whole, days):
        assert pair[0].columns == whole[0].columns
    for one, two in (
        (mean_difference(*whole, alpha=0.05), mean_difference(*days, alpha=0.05)),
        (ratio_difference(*whole, alpha=0.05), ratio_difference(*days, alpha=0.05)),
        (
            adjusted_difference(*whole, alpha=0.05, covariates=["before"])[0],
            adjusted_difference(*days, alpha=0.05, covariates=["before"])[0],
        ),
        (
            return_on_cost(*whole, alpha=0.05, profit="revenue", cost="orders"),
            return_on_cost(*days, alpha=0.05, profit="revenue", cost="orders"),
        ),
    ):
        assert isinstance(one, Effect) == isinstance(two, Effect)
        if isinstance(one, Effect) and isinstance(two, Effect):
            assert two.p_value == pytest.approx(one.p_value, rel=1e-6, abs=1e-12)
            assert two.absolute.estimate == pytest.approx(one.absolute.estimate, rel=1e-9, abs=1e-12)


def _plain(size: int, seed: int = 3) -> Rows:
    rng = np.random.default_rng(seed)
    bought = rng.random(size) < 0.5
    return np.column_stack([np.where(bought, rng.gamma(2.0, 20.0, size), 0.0), bought, rng.gamma(2.0, 20.0, size)])


def _all(size: int, value: float) -> Rows:
    return np.column_stack([np.full(size, value), np.ones(size), np.ones(size)])


_NOBODY = np.zeros((0, 3))
_GIANT = np.concatenate([_plain(40), [[1e9, 1.0, 1.0]]])
_LOSS = _plain(40) * [-1.0, 1.0, 1.0]
_NOTHING = np.column_stack([np.zeros((40, 2)), np.ones(40)])
POOR: dict[str, tuple[Rows, Rows]] = {
    "nobody": (_NOBODY, _NOBODY),
    "nobody in control": (_NOBODY, _plain(40)),
    "nobody treated": (_plain(40), _NOBODY),
    "one each": (_plain(1), _plain(1, 4)),
    "one in control": (_plain(1), _plain(40)),
    "two each": (_plain(2), _plain(2, 4)),
    "three each": (_plain(3), _plain(3, 4)),
    "no variance": (_all(40, 5.0), _all(40, 5.0)),
    "no variance, different": (_all(40, 5.0), _all(40, 6.0)),
    "all converted": (_all(40, 1.0), _all(50, 1.0)),
    "nobody converted": (_NOTHING, _NOTHING),
    "control bought nothing": (_NOTHING, _plain(40)),
    "treatment bought nothing": (_plain(40), _NOTHING),
    "one giant order": (_plain(40, 5), _GIANT),
    "one giant order in control": (_GIANT, _plain(40, 5)),
    "negative means": (_LOSS, _LOSS * [1.2, 1.0, 1.0]),
    "from loss to gain": (_LOSS, _plain(40, 5)),
    "control mean zero": (np.concatenate([_plain(40), _LOSS]), _plain(40, 5)),
    "tiny numbers": (_plain(40) * 1e-9, _plain(40, 5) * 1e-9),
    "huge numbers": (_plain(40) * 1e12, _plain(40, 5) * 1e12),
}


@pytest.mark.parametrize("name", TESTS)
def test_poor_data_is_an_answer(name: str) -> None:
    """A reason, or numbers that are numbers; ends may be open, estimates and p-values never."""
    wrong = [data for data, arms in POOR.items() if not _is_answer(TESTS[name](*arms, 0.05))]
    assert wrong == []


def _is_answer(said: Outcome) -> bool:
    if isinstance(said, Undetermined):
        return bool(said.detail)
    ranges = [each for each in (said.absolute, said.relative) if isinstance(each, Interval)]
    numbers = isfinite(said.absolute.estimate) and isfinite(said.z) and 0.0 <= said.p_value <= 1.0
    return numbers and all(each.lower <= each.upper for each in ranges)  # false for NaN


def test_an_answer_that_is_none_is_seen() -> None:
    """The broken twin: a NaN in an end, an estimate, a p-value or no reason does not pass for an answer."""
    good = Effect(Interval(1.0, 0.0, 2.0), Undetermined("no_units", "Nobody."), 0.5, 0.7, 1.0, 0.05, "twin")
    assert _is_answer(good)
    for wrong in (
        replace(good, absolute=Interval(1.0, nan, 2.0)),
        replace(good, absolute=Interval(nan, 0.0, 2.0)),
        replace(good, relative=Interval(1.0, 0.0, nan)),
        replace(good, p_value=nan),
        replace(good, z=nan),
        Undetermined("no_units", ""),
    ):
        assert not _is_answer(wrong)


@pytest.mark.parametrize("name", sorted(set(TESTS) - {"rare"}))
def test_an_empty_arm_is_named(name: str) -> None:
    """Every test of counts and sums says that there is nobody; `rare` knows the weights alone, not the counts."""
    for data in ("nobody", "nobody in control", "nobody treated"):
        said = TESTS[name](*POOR[data], 0.05)
        assert isinstance(said, Undetermined), data
        assert said.reason in {"no_units", "no_variance", "too_few"}
