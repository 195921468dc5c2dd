"""Were the arms alike before anything was done to them?

The check is about randomisation, not about effects: a failure says that the split or the data are broken.
Rejected: t tests of every covariate at 5 % (twenty covariates "fail" in every honest experiment).
"""

from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike

from offerlab.stats.multiplicity import holm
from offerlab.stats.srm import ALARM, WARNING
from offerlab.stats.wald import Wald

State = Literal["pass", "look", "stop", "not_yet"]


class BalanceCheck(Struct, frozen=True):
    """The arms compared on what was known before the first exposure (an A/A test of the past).

    Attributes:
        state: `stop` below the alarm level (after correction), `look` below the warning level, `not_yet` without tests.
        p_values_adjusted: Holm's, in the order given; None where a test could not be made.
        joint: the test of all contrasts together where one was given.
    """

    state: State
    p_values_adjusted: tuple[float | None, ...]
    joint: Wald | None


def check_balance(
    p_values: ArrayLike, *, joint: Wald | None = None, alarm: float = ALARM, warning: float = WARNING
) -> BalanceCheck:
    """Judge the pre-period comparisons of all arms and covariates.

    Args:
        p_values: of each covariate and arm against control, by the same test as the effects; NaN where there is none.
        joint: `wald_test(*joint_differences(control, treatment))`: catches many small imbalances that agree.
        alarm: level of the smaller of the two answers for `stop` (each gets half).
        warning: level for `look`.
    """
    adjusted = holm(np.ravel(np.asarray(p_values, dtype=np.float64)))
    made = adjusted[~np.isnan(adjusted)]
    answers = [float(made.min())] if made.size else []
    answers += [joint.p_value] if joint is not None and joint.degrees else []
    smallest = min(answers) * len(answers) if answers else None
    return BalanceCheck(
        state=_judge(smallest, alarm=alarm, warning=warning),
        p_values_adjusted=tuple(None if np.isnan(p) else float(p) for p in adjusted),
        joint=joint,
    )


def _judge(p_value: float | None, *, alarm: float, warning: float) -> State:
    if p_value is None:
        return "not_yet"
    if p_value < alarm:
        return "stop"
    return "look" if p_value < warning else "pass"
