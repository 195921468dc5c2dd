"""Any test of this room, read at any look: its interval, p-value and estimate made safe, and still one verdict.

The level that the looks leave to today's test does not depend on the data; the test is run once, at that level. Its own
interval is then the repeated interval, so that a skewness-corrected, a score or a Fieller interval keeps its shape
and the p-value agrees with it. The estimate shrinks by one factor on both scales: lift and difference tell the same
story.
"""

from collections.abc import Callable, Sequence

import numpy as np
from msgspec.structs import replace

from offerlab.stats.effect import Effect, Interval, Outcome, Undetermined
from offerlab.stats.effects import Effects
from offerlab.stats.looks import Rule
from offerlab.stats.sequential import Look, Reading, Readings, alpha_now, read, read_many
from offerlab.stats.spending import FloatArray


def safe_effect(
    test: Callable[[float], Outcome], n: float, rule: Rule, looks: Sequence[Look] = ()
) -> tuple[Outcome, Reading | None]:
    """One comparison at one look.

    Args:
        test: the test, as a function of its two-sided alpha.
        n: customers analysed today, all arms.
        rule: fixed before the start.
        looks: the earlier looks at this comparison, burn-in passed.

    Returns:
        The effect as it may be read today, its alpha the rule's, and the reading behind it; or why there is none.
    """
    today = test(alpha_now(n, rule, [look.n for look in looks]))
    if isinstance(today, Undetermined):
        return today, None
    reading = read(today.z, n, rule, looks)
    return _shown(today, reading, rule.alpha), reading


def safe_effects(
    test: Callable[[float], Effects],
    n: float,
    rule: Rule,
    past_n: Sequence[float] = (),
    past_z: FloatArray | None = None,
) -> tuple[Effects, Readings]:
    """A one-dimensional batch of comparisons that share their looks; see `safe_effect` and `read_many`."""
    today = test(alpha_now(n, rule, past_n))
    readings = read_many(np.where(today.reason == 0, today.z, 0.0), n, rule, past_n, past_z)
    relative = np.where(
        today.relative_shape == 0,
        np.clip(today.relative * readings.shrink, today.relative_lower, today.relative_upper),
        today.relative * readings.shrink,
    )
    shown = replace(
        today,
        estimate=np.clip(today.estimate * readings.shrink, today.lower, today.upper),
        relative=relative,
        p_value=np.where(today.reason == 0, readings.p_value, today.p_value),
        alpha=np.full(today.estimate.shape, rule.alpha),
    )
    return shown, readings


def _shown(effect: Effect, reading: Reading, alpha: float) -> Effect:
    relative = effect.relative
    return replace(
        effect,
        absolute=_shrunk(effect.absolute, reading.shrink),
        relative=relative if isinstance(relative, Undetermined) else _shrunk(relative, reading.shrink),
        p_value=reading.p_value,
        alpha=alpha,
    )


def _shrunk(interval: Interval, factor: float) -> Interval:
    """The interval around the shrunken estimate, which stays inside."""
    estimate = interval.estimate * factor
    if interval.shape == "bounded":
        estimate = min(max(estimate, interval.lower), interval.upper)
    return replace(interval, estimate=estimate)
