"""Comparisons within strata: judged by statsmodels' saturated regression, closed forms and re-randomisation."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from offerlab.errors import InvalidInput
from offerlab.stats.means import mean_difference, mean_differences
from offerlab.stats.moments import Moments, from_values, stack
from offerlab.stats.pair import Pair, independent, mean_level
from offerlab.stats.stratified import post_stratify, stratified_differences


def spend(rng: np.random.Generator, n: int, rate: float, scale: float) -> np.ndarray:
    """Sparse, skewed revenue."""
    return (rng.random(n) < rate) * rng.lognormal(0.0, 0.8, n) * scale


def arm(values: np.ndarray) -> Moments:
    """One arm of one stratum."""
    return from_values(("spend",), values[:, None])


def two_epochs(seed: int, lift: float = 0.0) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Control and treatment per epoch: 50/50 in poor days, 10/90 in rich ones."""
    rng = np.random.default_rng(seed)
    control = [spend(rng, 2_000, 0.2, 10.0), spend(rng, 400, 0.4, 30.0)]
    treated = [spend(rng, 2_000, 0.2, 10.0 * (1 + lift)), spend(rng, 3_600, 0.4, 30.0 * (1 + lift))]
    return control, treated


def test_one_stratum_is_the_plain_comparison() -> None:
    """With a single stratum nothing changes, to the last digit shown."""
    rng = np.random.default_rng(1)
    a, b = arm(spend(rng, 500, 0.3, 5.0)), arm(spend(rng, 600, 0.3, 6.0))
    assert stratified_differences(stack([a]), stack([b]), alpha=0.05).effects.only() == mean_difference(
        a, b, alpha=0.05
    )


def test_estimate_and_error_are_the_saturated_regressions() -> None:
    """Dummies, their interactions with the arm, HC2: the same effect; the shares' own variance comes on top."""
    control, treated = two_epochs(2)
    y = np.concatenate([*control, *treated])
    stratum = np.concatenate([np.full(part.size, k) for arms in (control, treated) for k, part in enumerate(arms)])
    t = np.concatenate([np.zeros(sum(map(len, control))), np.ones(sum(map(len, treated)))])
    centred = (stratum == 1) - np.mean(stratum == 1)
    judge = sm.OLS(y, np.column_stack([np.ones(y.size), t, centred, t * centred])).fit(cov_type="HC2")
    ours = stratified_differences(stack(list(map(arm, control))), stack(list(map(arm, treated))), alpha=0.05).effects
    assert ours.estimate[0] == pytest.approx(judge.params[1])
    effects = np.array([b.mean() - a.mean() for a, b in zip(control, treated, strict=True)])
    shares = np.bincount(stratum.astype(int)) / y.size
    between = (shares @ effects**2 - (shares @ effects) ** 2) / y.size
    assert ours.standard_error[0] ** 2 == pytest.approx(judge.bse[1] ** 2 + between)


def test_a_changed_allocation_does_not_mislead() -> None:
    """Simpson: pooled, the treatment seems to double the revenue; within epochs there is nothing."""
    control, treated = two_epochs(3)
    pooled = mean_differences(stack([arm(np.concatenate(control))]), stack([arm(np.concatenate(treated))]), alpha=0.05)
    within = stratified_differences(stack(list(map(arm, control))), stack(list(map(arm, treated))), alpha=0.05)
    assert pooled.relative[0] > 0.5
    assert pooled.p_value[0] < 1e-10
    assert within.effects.p_value[0] > 0.01
    assert within.left_out[0] == 0.0


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.floats(0.01, 100.0))
def test_units_change_no_p_value(seed: int, factor: float) -> None:
    """Cents or dollars: the same p and lift."""
    control, treated = two_epochs(seed)
    plain, scaled = (
        stratified_differences(
            stack([arm(c * f) for c in control]), stack([arm(t * f) for t in treated]), alpha=0.05
        ).effects
        for f in (1.0, factor)
    )
    assert scaled.p_value[0] == pytest.approx(plain.p_value[0], rel=1e-6)
    assert scaled.relative[0] == pytest.approx(plain.relative[0])


def test_a_stratum_without_an_arm_is_left_out_and_counted() -> None:
    """Nobody to compare with: no weight, and the share of customers it held is said."""
    rng = np.random.default_rng(4)
    a, b = arm(spend(rng, 500, 0.3, 5.0)), arm(spend(rng, 400, 0.3, 5.0))
    nobody, alone = arm(np.zeros(0)), arm(spend(rng, 100, 0.3, 90.0))
    result = stratified_differences(stack([a, nobody]), stack([b, alone]), alpha=0.05)
    assert result.left_out[0] == pytest.approx(0.1)
    assert result.effects.estimate[0] == pytest.approx(float((b.mean - a.mean)[0]))


def test_nothing_to_compare_anywhere_is_undetermined() -> None:
    """Every stratum has one arm only: said as such."""
    a, nobody = arm(np.arange(5.0)), arm(np.zeros(0))
    outcome = stratified_differences(stack([a, nobody]), stack([nobody, a]), alpha=0.05).effects.only()
    assert getattr(outcome, "reason", None) == "weights_zero"


def test_many_comparisons_share_their_strata() -> None:
    """A batch of metrics or arms behind the strata gives each one's own answer."""
    control, treated = two_epochs(5)
    batch = stratified_differences(
        stack([stack([arm(c), arm(2 * c)]) for c in control]),
        stack([stack([arm(t), arm(2 * t)]) for t in treated]),
        alpha=0.05,
    ).effects
    single = stratified_differences(stack(list(map(arm, control))), stack(list(map(arm, treated))), alpha=0.05).effects
    np.testing.assert_allclose(batch.p_value, float(single.p_value[0]))
    np.testing.assert_allclose(batch.estimate, float(single.estimate[0]) * np.array([1, 2]))


def test_weights_of_the_whole_experiment_may_be_given() -> None:
    """A third arm's customers count for the shares."""
    control, treated = two_epochs(6)
    a, b = stack(list(map(arm, control))), stack(list(map(arm, treated)))
    effects = b.mean[:, 0] - a.mean[:, 0]
    ours = stratified_differences(a, b, alpha=0.05, sizes=[3_000, 1_000]).effects
    assert ours.estimate[0] == pytest.approx(0.75 * effects[0] + 0.25 * effects[1])


def test_wrong_sizes_are_refused() -> None:
    """One size per stratum, not negative."""
    a = stack([arm(np.arange(5.0))] * 2)
    for sizes in ([1.0], [1.0, -1.0]):
        with pytest.raises(InvalidInput):
            stratified_differences(a, a, alpha=0.05, sizes=sizes)


@pytest.mark.slow
def test_joint_cumulants_are_those_of_the_simulated_estimates() -> None:
    """Random strata and arms, exponential values: variances and third cumulants of both levels come out."""
    rng, sims, size = np.random.default_rng(8), 2_000_000, 4_000
    scale, share, split = np.array([1.0, 4.0]), np.array([0.7, 0.3]), np.array([0.5, 0.8])
    top, base = np.zeros(sims), np.zeros(sims)
    strata = rng.binomial(size, share[1], sims)
    for k, n in enumerate((size - strata, strata)):
        treated = rng.binomial(n, split[k])
        top += n / size * rng.gamma(treated, scale[k]) / treated
        base += n / size * rng.gamma(n - treated, scale[k] / 2) / (n - treated)
    n_t, n_c = size * share * split, size * share * (1 - split)
    s_t, s_c = scale, scale / 2
    zero = np.zeros(2)
    pair = post_stratify(
        Pair(
            s_t, s_c, s_t**2 / n_t, zero, s_c**2 / n_c, 2 * s_t**3 / n_t**2, zero, zero, 2 * s_c**3 / n_c**2,
            zero, zero, zero, zero,
        ),
        size * share,
    )  # fmt: skip
    t, b = top - top.mean(), base - base.mean()
    for ours, theirs in (
        (pair.v_tt, t * t), (pair.v_tb, t * b), (pair.v_bb, b * b),
        (pair.k_ttt, t**3), (pair.k_ttb, t * t * b), (pair.k_tbb, t * b * b), (pair.k_bbb, b**3),
    ):  # fmt: skip
        tolerance = 4 * theirs.std() / np.sqrt(sims) + 0.03 * abs(theirs.mean())
        assert float(ours) == pytest.approx(theirs.mean(), abs=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("lift", [0.0, 0.4])
def test_both_tails_hold_when_the_allocation_changed(lift: float) -> None:
    """Two epochs, 50/50 then 10/90, a true lift: each tail of the lift's interval between 1.8 and 3.3 %."""
    sims = 4_000
    below = above = 0
    for seed in range(sims):
        control, treated = two_epochs(seed + 10_000 * int(10 * lift), lift)
        effects = stratified_differences(stack(list(map(arm, control))), stack(list(map(arm, treated))), alpha=0.05)
        below += int(effects.effects.relative_upper[0] < lift)
        above += int(effects.effects.relative_lower[0] > lift)
    assert 0.018 <= below / sims <= 0.033
    assert 0.018 <= above / sims <= 0.033


def test_independent_pairs_are_stratified_alike() -> None:
    """`post_stratify` takes any pair: that of means gives the means."""
    control, treated = two_epochs(9)
    a, b = stack(list(map(arm, control))), stack(list(map(arm, treated)))
    pair = post_stratify(independent(mean_level(b), mean_level(a)), a.n + b.n)
    shares = (a.n + b.n) / np.sum(a.n + b.n)
    assert float(pair.top) == pytest.approx(float(shares @ b.mean[:, 0]))
