"""Were the arms alike before anything was done to them, and did everyone stay in one arm?

Both checks are about randomisation, not about effects: a failure says that the split or the data are broken.
Rejected: t tests of every covariate at 5 % (twenty covariates "fail" in every honest experiment).
"""

from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike
from scipy.special import ndtri

from offerlab.errors import InvalidInput
from offerlab.stats.multiplicity import holm
from offerlab.stats.srm import ALARM, WARNING
from offerlab.stats.wald import Wald

State = Literal["pass", "look", "stop", "not_yet"]

CROSSOVER_LIMIT = 0.01


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


class CrossoverCheck(Struct, frozen=True):
    """Customers seen in more than one arm (left out of every effect, and counted here).

    Attributes:
        state: `pass` up to the limit, `look` above it, `stop` when even the lower end is above it, `not_yet` without
            units.
        crossovers, units: customers in several arms; all exposed customers, crossovers among them.
        share, lower, upper: crossovers / units and its 99.9 % Wilson interval; None without units.
    """

    state: State
    crossovers: int
    units: int
    share: float | None
    lower: float | None
    upper: float | None


def check_crossovers(crossovers: int, units: int, *, limit: float = CROSSOVER_LIMIT) -> CrossoverCheck:
    """Judge the share of customers in several arms.

    Args:
        crossovers: customers seen in more than one arm.
        units: all exposed customers.
        limit: share up to which merged identities explain them.

    Raises:
        InvalidInput: negative counts, or more crossovers than units.

    Source:
        Wilson (1927), JASA 22, 209-212.
    """
    if crossovers < 0 or crossovers > units:
        raise InvalidInput(f"{crossovers} crossovers among {units} units", field="crossovers")
    if units == 0:
        return CrossoverCheck("not_yet", 0, 0, None, None, None)
    share, z2 = crossovers / units, float(ndtri(1 - ALARM / 2)) ** 2
    middle = (crossovers + z2 / 2) / (units + z2)
    half = float(np.sqrt(z2 * (share * (1 - share) + z2 / (4 * units)) * units)) / (units + z2)
    lower = max(middle - half, 0.0) if crossovers else 0.0
    upper = min(middle + half, 1.0) if crossovers < units else 1.0
    state: State = "stop" if lower > limit else "look" if share > limit else "pass"
    return CrossoverCheck(state, crossovers, units, share, lower, upper)


def _judge(p_value: float | None, *, alarm: float, warning: float) -> State:
    if p_value is None:
        return "not_yet"
    if p_value < alarm:
        return "stop"
    return "look" if p_value < warning else "pass"
