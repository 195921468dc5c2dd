"""What must not get worse: non-inferiority with a margin, the harm boundary, equivalence.

A margin relative to control needs no ratio: m_T ≥ (1 - m) m_C is linear, so that a control mean near zero can't spoil
it. Here it is a pair of levels like any other, with the control's level moved by the margin; the engine's one test
(skewness corrected) reads it, and the same margin is left out of its interval exactly when non-inferiority is shown.

Harm has its own error, its own side and its own looks: a guardrail that waits for the planned end protects nobody.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from scipy.special import ndtr

from offerlab.errors import InvalidPlan
from offerlab.stats.comparison import compare
from offerlab.stats.effect import Effect, Interval, Outcome, Undetermined
from offerlab.stats.effects import Effects
from offerlab.stats.looks import Rule
from offerlab.stats.pair import Pair
from offerlab.stats.sequential import Look, Reading, alpha_now, read
from offerlab.stats.spending import FloatArray

Better = Literal["higher", "lower"]
State = Literal["within_limit", "past_limit", "cannot_tell"]


class Margin(Struct, frozen=True):
    """How much worse is still acceptable.

    Attributes:
        size: 0 or more; in the metric's unit, or as a share of the control mean.
        relative: whether `size` is a share.
        better: the direction in which the metric improves ("lower" for unsubscribes).
    """

    size: float
    relative: bool = False
    better: Better = "higher"

    def __post_init__(self) -> None:
        """Refuse a margin on the wrong side of zero, and one that lets a metric vanish."""
        if not 0.0 <= self.size < np.inf:
            raise InvalidPlan(f"a margin is 0 or more, not {self.size}", field="margin")
        if self.relative and self.size >= 1.0:
            raise InvalidPlan(f"a relative margin is below 1, not {self.size}", field="margin")

    @property
    def sign(self) -> float:
        """1 where more is better, -1 where less is."""
        return 1.0 if self.better == "higher" else -1.0


class Guardrail(Struct, frozen=True):
    """A guardrail at one look.

    Attributes:
        state: the whole interval on the good side of the margin, on the bad side, or neither.
        worst: the one-sided bound in the bad direction, on the margin's scale (the metric's own unit where the control
            level is zero and has no shares).
        limit: the effect at the margin, on the same scale.
        harmed: worse than no change, beyond the harm boundary.
        reading: the one-sided reading of harm; `crossed_at` remembers an earlier crossing.
    """

    state: State
    worst: float
    limit: float
    harmed: bool
    reading: Reading


def judge(interval: Interval, margin: Margin) -> State:
    """On which side of the margin an interval lies.

    Args:
        interval: of the effect, absolute or relative as the margin is; two-sided at twice the one-sided alpha.
        margin: what is acceptable.
    """
    limit = -margin.sign * margin.size
    low, high = (interval.lower, interval.upper) if margin.sign > 0.0 else (-interval.upper, -interval.lower)
    if interval.shape != "bounded":
        return "cannot_tell"
    if low > margin.sign * limit:
        return "within_limit"
    return "past_limit" if high < margin.sign * limit else "cannot_tell"


def moved(pair: Pair, margin: Margin) -> Pair:
    """The pair whose difference is zero exactly at the margin: control's level moved by what is acceptable.

    Relative: top - base + sign·m·|base|, a linear form of the two means; absolute: top - base + sign·m.

    Source:
        Laster and Johnson (2003), Statistics in Medicine 22(2), 187-200, for the linear form of a relative margin.
    """
    if margin.relative:
        return pair.enlarged(1.0 - margin.sign * margin.size * np.sign(pair.base))
    return replace(pair, base=pair.base - margin.sign * margin.size)


def non_inferiority(pair: Pair, margin: Margin, *, alpha: float = 0.025) -> tuple[Effects, FloatArray]:
    """Whether the treatment is at most the margin worse.

    Args:
        pair: the two levels of each comparison (`pair.independent(mean_level(...), ...)`), any batch shape.
        margin: what is acceptable.
        alpha: one-sided error.

    Returns:
        The effects against the moved control, with two-sided intervals at twice alpha: positive slack (negative where
        lower is better) means non-inferior; and the one-sided p-values, below alpha exactly when that is shown.
    """
    effects = compare(moved(pair, margin), alpha=2.0 * alpha)
    return effects, np.where(effects.reason == 0, ndtr(-margin.sign * effects.z), 1.0)


def tost(z_low: FloatArray | float, z_high: FloatArray | float) -> FloatArray:
    """p-value of equivalence from two one-sided tests.

    Args:
        z_low: statistic against the lower margin (positive: above it).
        z_high: statistic against the upper margin (negative: below it).

    Returns:
        The larger of the two p-values: below alpha exactly when the interval of coverage 1 - 2 alpha is inside.

    Source:
        Schuirmann (1987), Journal of Pharmacokinetics and Biopharmaceutics 15(6), 657-680.
    """
    return np.asarray(np.maximum(ndtr(-np.asarray(z_low)), ndtr(np.asarray(z_high))))


def equivalence(pair: Pair, size: float, *, relative: bool = False) -> FloatArray:
    """p-values of "no more than `size` apart", by two one-sided tests on the engine's own statistic."""
    low = compare(moved(pair, Margin(size, relative, "higher")), alpha=0.05)
    high = compare(moved(pair, Margin(size, relative, "lower")), alpha=0.05)
    return np.where((low.reason == 0) & (high.reason == 0), tost(low.z, high.z), 1.0)


def guard(
    test: Callable[[float], Outcome], margin: Margin, n: float, rule: Rule, looks: Sequence[Look] = ()
) -> Guardrail | Undetermined:
    """A guardrail at any look: within its limit, past it, harmed.

    Args:
        test: the metric's test as a function of its two-sided alpha.
        margin: what is acceptable; 0: any worsening that can be shown is past the limit.
        n: customers analysed today, all arms.
        rule: the guardrail's own: `sides=1` and its own alpha; no correction for the number of guardrails, because each
            protects by itself (correct their power instead).
        looks: the earlier looks, with the statistic as the metric's test gave it (its sign, not the harm's).

    Returns:
        The guardrail, or why nothing can be said.

    Raises:
        InvalidPlan: a two-sided rule.
    """
    if rule.sides != 1:
        raise InvalidPlan("a guardrail has a one-sided rule", field="sides")
    effect = test(alpha_now(n, rule, [look.n for look in looks]))
    if isinstance(effect, Undetermined):
        return effect
    harm = [Look(look.n, -margin.sign * look.z) for look in looks]
    reading = read(-margin.sign * effect.z, n, rule, harm)
    interval, scaled = _on_one_scale(effect, margin)
    worst = interval.lower if margin.sign > 0.0 else interval.upper
    return Guardrail(judge(interval, scaled), worst, -margin.sign * scaled.size, reading.crossed, reading)


def _on_one_scale(effect: Effect, margin: Margin) -> tuple[Interval, Margin]:
    """The range and the margin that it is held against; a share of a control level of zero is a margin of zero."""
    if not margin.relative:
        return effect.absolute, margin
    if isinstance(effect.relative, Undetermined):
        return effect.absolute, Margin(0.0, better=margin.better)
    return effect.relative, margin
