"""How often the results were read before they were due, and what that has done to the error rate.

Under a rule that allows for looking (group sequential, confidence sequence) looks cost nothing and the record only
shows them. Under a fixed plan each early look at a plain p-value is another chance of a false alarm: the record says
how large the chance has become, by the same recursive integration that makes the boundaries.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from scipy.special import ndtri

from offerlab.errors import InvalidInput
from offerlab.stats.group_sequential import rejection
from offerlab.stats.looks import Kind
from offerlab.stats.multiplicity import check_alpha

SAME_LOOK = 0.01  # readings closer than this share of the planned sample are one look

_ON_PLAN = 1.2  # times alpha up to which a fixed plan counts as kept
_SPOILT = 2.0


class LookRecord(Struct, frozen=True):
    """The looks at one experiment so far.

    Attributes:
        state: `pass`; `look` when a fixed plan was read so often that its error rate is above 1.2 alpha, `stop` when
            above 2 alpha.
        looks: different looks (readings of nearly the same customers are one).
        early: those before the planned end.
        false_alarm: chance that any of these looks shows p < alpha when there is no difference: alpha itself under a
            rule that allows for looking.
    """

    state: Literal["pass", "look", "stop"]
    looks: int
    early: int
    false_alarm: float


def record_looks(fractions: Sequence[float], *, kind: Kind, alpha: float = 0.05) -> LookRecord:
    """Judge the looks at an experiment.

    Args:
        fractions: customers analysed at each reading over those planned, in any order, above zero.
        kind: the rule fixed before the start.
        alpha: two-sided error rate.

    Raises:
        InvalidInput: a fraction not above zero. InvalidPlan: alpha.

    Source:
        Armitage, McPherson & Rowe (1969), JRSS-A 132, 235-244.
    """
    check_alpha(alpha)
    readings = np.sort(np.asarray(fractions, dtype=np.float64))
    if not np.all((readings > 0.0) & np.isfinite(readings)):
        raise InvalidInput("a look has a positive, finite share of the planned customers", field="fractions")
    looks: list[float] = []
    for reading in readings.tolist():
        if not looks or reading - looks[-1] >= SAME_LOOK:
            looks.append(reading)
    early = sum(look < 1.0 - SAME_LOOK for look in looks)
    if kind != "fixed" or not looks:
        return LookRecord("pass", len(looks), early, alpha)
    critical = np.full(len(looks), -ndtri(alpha / 2))
    false_alarm = float(rejection(looks, critical, 2, 0.0)[0])
    state: Literal["pass", "look", "stop"] = "pass" if false_alarm <= _ON_PLAN * alpha else "look"
    return LookRecord("stop" if false_alarm > _SPOILT * alpha else state, len(looks), early, false_alarm)
