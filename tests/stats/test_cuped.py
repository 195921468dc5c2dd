"""Variance reduction: against statsmodels, tea-tasting and re-randomisation; fallback and laws."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import tea_tasting as tt  # type: ignore[import-untyped] # ships no types
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from offerlab.errors import InvalidPlan
from offerlab.stats.adjust import fit, least_squares
from offerlab.stats.cuped import adjusted_difference, adjusted_differences
from offerlab.stats.effect import Effect, Interval, Undetermined
from offerlab.stats.means import mean_difference
from offerlab.stats.moments import Moments, from_values, stack

Values = NDArray[np.float64]
COLUMNS = ("spend", "before", "orders", "recency")


def _customers(rng: np.random.Generator, n: int, lift: float = 0.0) -> Values:
    taste = rng.gamma(2, 1, n)
    before, orders = rng.gamma(1 + taste, 2), rng.poisson(taste).astype(np.float64)
    recency = rng.exponential(30, n)
    spend = (1 + lift) * rng.gamma(1 + 2 * taste, 1)
    return np.asarray(np.column_stack([spend, before, orders, recency]), dtype=np.float64)


def _arms(seed: int, n_c: int = 1500, n_t: int = 1000, lift: float = 0.2) -> tuple[Moments, Moments, Values, Values]:
    rng = np.random.default_rng(seed)
    x, y = _customers(rng, n_c), _customers(rng, n_t, lift)
    return from_values(COLUMNS, x), from_values(COLUMNS, y), x, y


def _effect(outcome: object) -> Effect:
    assert isinstance(outcome, Effect)
    return outcome


def _design(x: Values, y: Values, *, own: bool) -> tuple[Values, Values]:
    rows = np.concatenate([x, y])
    treated = np.repeat([0.0, 1.0], [len(x), len(y)])[:, None]
    centred = rows[:, 1:] - rows[:, 1:].mean(axis=0)
    parts = [np.ones((len(rows), 1)), treated, centred, *([centred * treated] if own else [])]
    return rows[:, 0], np.asarray(np.concatenate(parts, axis=1), dtype=np.float64)


@pytest.mark.parametrize("own", [pytest.param(False, id="common slopes"), pytest.param(True, id="own slopes")])
def test_estimate_and_error_are_the_regressions(*, own: bool) -> None:
    """Moments alone give the coefficient of the treatment in statsmodels' OLS, and its HC2 error within 1 %.

    Own slopes are Lin's interacted regression; there the error may be a little larger, because the covariates' means
    are an estimate too.
    """
    control, treatment, x, y = _arms(1)
    outcome, diagnosis = adjusted_difference(
        control, treatment, alpha=0.05, covariates=COLUMNS[1:], slopes="own" if own else "common"
    )
    effect = _effect(outcome)
    judge = sm.OLS(*_design(x, y, own=own)).fit(cov_type="HC2")
    assert diagnosis.covariates == 3
    assert effect.absolute.estimate == pytest.approx(float(judge.params[1]), rel=1e-6)
    assert effect.standard_error == pytest.approx(float(judge.bse[1]), rel=0.01)
    assert effect.standard_error >= 0.998 * float(judge.bse[1])


def test_a_single_covariate_is_cuped_as_tea_tasting_has_it() -> None:
    """One covariate: tea-tasting's CUPED estimate within a hundredth of an error, its error within 2 %."""
    control, treatment, x, y = _arms(2, 3000, 3000)
    frame = pd.DataFrame(np.concatenate([x, y]), columns=COLUMNS)
    frame["variant"] = np.repeat([0, 1], [len(x), len(y)])
    judge: Any = tt.Experiment(m=tt.Mean("spend", covariate="before", use_t=False)).analyze(frame)["m"]
    effect = _effect(adjusted_difference(control, treatment, alpha=0.05, covariates=["before"])[0])
    error = (judge.effect_size_ci_upper - judge.effect_size_ci_lower) / 2 / 1.959964
    assert effect.absolute.estimate == pytest.approx(judge.effect_size, abs=0.01 * error)
    assert effect.standard_error == pytest.approx(error, rel=0.02)


def test_slopes_are_least_squares_and_a_constant_covariate_has_none() -> None:
    """Against numpy's least squares; a column without spread gets the slope zero."""
    rng = np.random.default_rng(3)
    x = _customers(rng, 200)
    x[:, 3] = 7.0
    slopes = least_squares(from_values(COLUMNS, x).second)
    centred = x - x.mean(axis=0)
    expected, *_ = np.linalg.lstsq(centred[:, 1:3], centred[:, 0], rcond=None)
    assert slopes[:2] == pytest.approx(expected, rel=1e-6)
    assert slopes[2] == 0


def test_collinear_dummies_do_no_harm() -> None:
    """Two dummies that add to one give the effect of one of them."""
    rng = np.random.default_rng(4)
    rows = _customers(rng, 2000)
    dummy = (rng.random(2000) < 0.4).astype(np.float64)
    rows = np.column_stack([rows[:, :2], dummy, 1 - dummy])
    control, treatment = from_values(COLUMNS, rows[:1000]), from_values(COLUMNS, rows[1000:])
    three, _ = adjusted_difference(control, treatment, alpha=0.05, covariates=COLUMNS[1:])
    two, _ = adjusted_difference(control, treatment, alpha=0.05, covariates=COLUMNS[1:3])
    assert _effect(three).absolute.estimate == pytest.approx(_effect(two).absolute.estimate, rel=1e-6)


def test_the_joint_cumulants_are_those_of_the_customers_shares() -> None:
    """Variances, covariance and third cumulants of both levels equal those computed row by row."""
    control, treatment, x, y = _arms(5, 400, 300)
    for slopes in ("common", "own"):
        got = fit(control, treatment, slopes=slopes)
        share = 300 / 700
        in_t = [y[:, 0] - (1 - share) * y[:, 1:] @ got.slopes_t, share * y[:, 1:] @ got.slopes_c]
        in_c = [(1 - share) * x[:, 1:] @ got.slopes_t, x[:, 0] - share * x[:, 1:] @ got.slopes_c]
        v = np.cov(in_t) / 300 + np.cov(in_c) / 400
        assert got.pair.v_tb == pytest.approx(v[0, 1], rel=1e-9)
        assert got.pair.v_tt == pytest.approx(v[0, 0], rel=0.01)
        assert got.pair.v_bb == pytest.approx(v[1, 1], rel=0.01)
        third = np.zeros((2, 2, 2))
        for parts, n in ((in_t, 300), (in_c, 400)):
            d = np.array(parts) - np.mean(parts, axis=1)[:, None]
            third += np.einsum("in,jn,kn->ijk", d, d, d) / (n * (n - 1) * (n - 2))
        pair = got.pair
        cumulants = [float(k) for k in (pair.k_ttt, pair.k_ttb, pair.k_tbb, pair.k_bbb)]
        assert cumulants == pytest.approx([third[0, 0, 0], third[0, 0, 1], third[0, 1, 1], third[1, 1, 1]], rel=1e-8)


def test_the_claimed_saving_is_what_re_randomisation_finds() -> None:
    """Assigning the same customers again and again: the spread of the estimate is the error that is stated."""
    rng = np.random.default_rng(6)
    rows = _customers(rng, 2000)
    control, treatment = [], []
    for _ in range(400):
        mask = rng.permutation(2000) < 1000
        control.append(from_values(COLUMNS, rows[~mask]))
        treatment.append(from_values(COLUMNS, rows[mask]))
    answer = adjusted_differences(stack(control), stack(treatment), alpha=0.05, covariates=COLUMNS[1:])
    found = float(np.std(answer.effects.estimate))
    assert float(np.mean(answer.effects.standard_error)) == pytest.approx(found, rel=0.1)
    assert float(np.mean(answer.saved)) > 0.3
    assert float(np.mean(answer.effects.p_value < 0.05)) == pytest.approx(0.05, abs=0.035)


def test_covariates_that_lose_are_left_out() -> None:
    """Many columns of noise: the first alone is kept, and the effect says so."""
    rng = np.random.default_rng(7)
    noise = [f"n{i}" for i in range(12)]
    rows = np.column_stack([_customers(rng, 300)[:, :2], rng.standard_t(2.5, (300, 12))])
    arms = [from_values(("spend", "before", *noise), part) for part in (rows[:150], rows[150:])]
    outcome, diagnosis = adjusted_difference(*arms, alpha=0.05, covariates=["before", *noise])
    assert diagnosis.covariates == 1
    assert "fallback" in {caution.code for caution in _effect(outcome).warnings}


def test_a_handful_of_customers_is_not_adjusted() -> None:
    """Below ten customers per covariate in an arm the raw difference stands."""
    rng = np.random.default_rng(8)
    control, treatment = (from_values(COLUMNS, _customers(rng, 9)) for _ in range(2))
    outcome, diagnosis = adjusted_difference(control, treatment, alpha=0.05, covariates=["before"])
    raw = mean_difference(control, treatment, alpha=0.05)
    assert diagnosis.covariates == 0
    assert _effect(outcome).p_value == pytest.approx(_effect(raw).p_value, rel=1e-12)


def test_balance_tells_a_broken_randomisation() -> None:
    """Arms that differed before the experiment have a balance p near zero."""
    rng = np.random.default_rng(9)
    fair, loaded = _customers(rng, 1000), _customers(rng, 1000)
    loaded[:, 1] *= 1.5
    arms = [from_values(COLUMNS, rows) for rows in (_customers(rng, 1000), fair, loaded)]
    _, even = adjusted_difference(arms[0], arms[1], alpha=0.05, covariates=["before"])
    _, broken = adjusted_difference(arms[0], arms[2], alpha=0.05, covariates=["before"])
    assert even.balance > 0.01
    assert broken.balance < 1e-6


@given(seed=st.integers(0, 1000), unit=st.sampled_from([0.01, 1e4]), count=st.sampled_from([1, 3]))
def test_laws_of_one_verdict_hold_for_adjusted_effects(seed: int, unit: float, count: int) -> None:
    """Swapping flips, rescaling money changes no p, zero is outside both intervals exactly when p < alpha."""
    control, treatment, x, y = _arms(seed, 90, 70)
    chosen = COLUMNS[1 : 1 + count]
    one = _effect(adjusted_difference(control, treatment, alpha=0.2, covariates=chosen)[0])
    back = _effect(adjusted_difference(treatment, control, alpha=0.2, covariates=chosen)[0])
    scale = np.array([unit, unit, 1, 1])
    scaled = [from_values(COLUMNS, arm * scale) for arm in (x, y)]
    other = _effect(adjusted_difference(*scaled, alpha=0.2, covariates=chosen)[0])
    assert back.z == pytest.approx(-one.z, rel=1e-6, abs=1e-8)
    assert other.p_value == pytest.approx(one.p_value, rel=1e-5, abs=1e-12)
    assert one.absolute.contains(0.0) == (one.p_value >= 0.2)
    assert isinstance(one.relative, Interval)
    assert one.relative.contains(0.0) == (one.p_value >= 0.2)


def test_a_batch_gives_what_single_calls_give() -> None:
    """Vectorised or one by one: the same effects."""
    pairs = [_arms(seed, 200, 150)[:2] for seed in range(4)]
    batch = adjusted_differences(
        stack([c for c, _ in pairs]), stack([t for _, t in pairs]), alpha=0.05, covariates=COLUMNS[1:]
    ).effects.rows()
    for row, (control, treatment) in zip(batch, pairs, strict=True):
        single = adjusted_difference(control, treatment, alpha=0.05, covariates=COLUMNS[1:])[0]
        assert _effect(row).p_value == pytest.approx(_effect(single).p_value, rel=1e-9)


def test_degenerate_arms_are_undetermined_and_wrong_calls_refused() -> None:
    """Nobody, one customer, no spread: a reason. The outcome as its own covariate: an error."""
    control, treatment, x, _ = _arms(10, 50, 50)
    for rows, reason in ((x[:0], "no_units"), (x[:1], "one_unit")):
        outcome, _ = adjusted_difference(from_values(COLUMNS, rows), treatment, alpha=0.05, covariates=["before"])
        assert isinstance(outcome, Undetermined)
        assert outcome.reason == reason
    flat = from_values(COLUMNS, np.ones((30, 4)))
    outcome, _ = adjusted_difference(flat, flat, alpha=0.05, covariates=["before"])
    assert isinstance(outcome, Undetermined)
    assert outcome.reason == "no_variance"
    for wrong in ([], ["spend"], ["before", "before"]):
        with pytest.raises(InvalidPlan, match="covariate"):
            adjusted_difference(control, treatment, alpha=0.05, covariates=wrong)
