"""What a report says about segments, from one outcome each: the raw effects stay as they are, this stands beside them.

The order of reading is the order of proof: does anything differ (interaction), the best guess for each (shrunk), which
may be merged. Correct the segments' own p-values with `multiplicity.adjust(..., method="bh")` over segments x metrics.
"""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from scipy.special import ndtri

from offerlab.stats.effect import Effect, Interval, Outcome, Undetermined
from offerlab.stats.heterogeneity import Floats, against_rest, heterogeneity, pool
from offerlab.stats.merging import Merge, suggest_merges
from offerlab.stats.wald import Wald


class SegmentReading(Struct, frozen=True):
    """Segments of one metric and one arm against control, in the order given; absolute effects in the metric's unit.

    Attributes:
        interaction: Cochran's test that all segments have the same effect.
        tau: standard deviation of true effects between segments (REML).
        shrunk: each segment's partially pooled effect, or why there is none.
        against_rest: each segment's effect less that of all others.
        merges: groups shown to differ by less than the margin; empty when no margin was given.
    """

    interaction: Wald | Undetermined
    tau: float | Undetermined
    shrunk: tuple[Interval | Undetermined, ...]
    against_rest: tuple[Interval | Undetermined, ...]
    merges: tuple[Merge, ...]


def read_segments(outcomes: Sequence[Outcome], *, margin: float | None = None, alpha: float = 0.05) -> SegmentReading:
    """Interaction test, shrunk effects and merge suggestion.

    Args:
        outcomes: one per segment, no customer in two of them.
        margin: smallest difference between segments that matters, in the metric's unit; None: no merge is suggested.
        alpha: of the intervals, and familywise for the merges.
    """
    estimates = np.array([o.absolute.estimate if isinstance(o, Effect) else np.nan for o in outcomes])
    errors = np.array([o.standard_error if isinstance(o, Effect) else np.nan for o in outcomes])
    test, pooled = heterogeneity(estimates, errors), pool(estimates, errors, alpha=alpha)
    difference, error = against_rest(estimates, errors)
    alone = Undetermined("too_few", "Fewer than two segments have an effect to compare.")
    several = int(test.degrees) > 0
    return SegmentReading(
        interaction=Wald(float(test.statistic), int(test.degrees), float(test.p_value)) if several else alone,
        tau=float(pooled.tau) if several else alone,
        shrunk=_intervals(outcomes, pooled.estimates, pooled.errors, alpha, alone),
        against_rest=_intervals(outcomes, difference, error, alpha, alone),
        merges=() if margin is None else suggest_merges(estimates, errors, margin=margin, alpha=alpha),
    )


def _intervals(
    outcomes: Sequence[Outcome], estimates: Floats, errors: Floats, alpha: float, alone: Undetermined
) -> tuple[Interval | Undetermined, ...]:
    half = float(-ndtri(alpha / 2)) * errors
    return tuple(
        o if isinstance(o, Undetermined) else alone if np.isnan(d) else Interval(float(d), float(d - h), float(d + h))
        for o, d, h in zip(outcomes, estimates, half, strict=True)
    )
