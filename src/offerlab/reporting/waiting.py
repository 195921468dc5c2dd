"""Times until something: how long a customer waited within the time followed, those who never did it included.

The mean among those who did it compares other people in each arm: an offer that wins over the hesitant looks slow. The
time without it, cut off where following ends, has a value for everybody: its mean is the area under the curve of those
still waiting (the restricted mean), it is compared like any other mean, and it follows from sums that are there anyway.
"""

from msgspec.structs import replace

from offerlab.domain.clock import DAY
from offerlab.reporting.measures import Measure
from offerlab.stats.moments import Moments

_SECONDS = DAY // 1_000_000


def waiting(seconds_and_flag: Moments, measure: Measure, window_days: int) -> Moments:
    """One column: the time without it in the metric's unit, at most the time followed.

    min(T, H) = H + seconds - H flag, for seconds are zero where nothing was done.

    Args:
        seconds_and_flag: moments of the measure's numerator and denominator.
        measure: of a time, with `within`.
        window_days: of the experiment.

    Source:
        Royston and Parmar (2013), BMC Medical Research Methodology 13, 152, for the restricted mean; with everybody
        followed to the same end Kaplan and Meier's curve is the share still waiting, and its area this mean.
    """
    followed = (measure.within or window_days) * _SECONDS / measure.per
    made = seconds_and_flag.linear([1.0 / measure.per, -followed], followed, measure.numerator)
    return replace(made, nonzero=seconds_and_flag.nonzero[..., 1:])
