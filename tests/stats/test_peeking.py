"""Tests of means read at looks: one verdict with the engine's own intervals."""

import numpy as np
import pytest

from offerlab.stats.effect import Effect, Interval, Undetermined
from offerlab.stats.looks import Kind, Rule
from offerlab.stats.means import mean_difference, mean_differences
from offerlab.stats.moments import Moments, from_values, stack
from offerlab.stats.peeking import safe_effect, safe_effects
from offerlab.stats.sequential import Look


def _arm(seed: int, mean: float, n: int = 400) -> Moments:
    return from_values(("spend",), np.random.default_rng(seed).gamma(0.5, mean / 0.5, (n, 1)))


@pytest.mark.parametrize("kind", ["group", "always", "fixed"])
@pytest.mark.parametrize("lift", [1.0, 1.15, 1.3, 1.8])
def test_interval_p_and_crossing_are_one_verdict(kind: Kind, lift: float) -> None:
    """Zero is outside both intervals exactly when p < alpha, at every kind of look, and the estimate is inside."""
    control, treatment = _arm(1, 10.0), _arm(2, 10.0 * lift)
    looks = [Look(200, 0.4), Look(500, 1.2)]
    effect, reading = safe_effect(
        lambda alpha: mean_difference(control, treatment, alpha=alpha), 800, Rule(kind, 1000), looks
    )
    assert isinstance(effect, Effect)
    assert isinstance(effect.relative, Interval)
    assert reading is not None
    assert effect.alpha == 0.05
    assert reading.crossed == (effect.p_value < 0.05)
    for interval in (effect.absolute, effect.relative):
        assert interval.contains(0.0) != reading.crossed
        assert interval.contains(interval.estimate)


def test_a_fixed_reading_changes_nothing() -> None:
    """Read once at the end, the effect is the plain test's."""
    control, treatment = _arm(1, 10.0), _arm(2, 12.0)
    effect, _ = safe_effect(lambda alpha: mean_difference(control, treatment, alpha=alpha), 800, Rule("fixed"))
    assert effect == mean_difference(control, treatment, alpha=0.05)


def test_what_cannot_be_said_stays_unsaid() -> None:
    """An empty arm has no effect and no reading."""
    empty = from_values(("spend",), np.empty((0, 1)))
    effect, reading = safe_effect(lambda alpha: mean_difference(empty, _arm(2, 1.0), alpha=alpha), 400, Rule("always"))
    assert isinstance(effect, Undetermined)
    assert reading is None


def test_a_batch_reads_like_its_members() -> None:
    """Several comparisons at once give the effects that each gives alone, the unsayable one included."""
    control = stack([_arm(seed, 10.0) for seed in range(6)] + [from_values(("spend",), np.zeros((400, 1)))])
    treatment = stack(
        [_arm(seed + 50, 11.0 + seed) for seed in range(6)] + [from_values(("spend",), np.zeros((400, 1)))]
    )
    rule, past = Rule("group", 1200), np.linspace(-1.0, 3.4, 7)[None, :]
    effects, readings = safe_effects(
        lambda alpha: mean_differences(control, treatment, alpha=alpha), 800, rule, [500], past
    )
    for i, together in enumerate(effects.rows()):
        alone, reading = safe_effect(
            lambda alpha, i=i: mean_difference(control[i], treatment[i], alpha=alpha),  # type: ignore[misc]  # bound now
            800,
            rule,
            [Look(500, float(past[0, i]))],
        )
        if isinstance(alone, Undetermined):
            assert together == alone
            continue
        assert isinstance(together, Effect)
        assert reading is not None
        assert together.p_value == pytest.approx(alone.p_value, rel=1e-9)
        assert together.absolute.estimate == pytest.approx(alone.absolute.estimate, rel=1e-9)
        assert readings.crossed[i] == reading.crossed
