"""How many customers, how small an effect, how sure: for the tests that the report will run.

Everything reduces to one number, the drift: the mean of the test's statistic when all customers are in. A test needs a
certain drift for its power (more when it is read at many looks, or against a stricter level for many arms); an effect
of a certain size gives one, √n times what one customer tells. Rejected: a calculator per test; they drift apart, and
the planned test is then not the one that is read.

Proportions plan with the pooled variance under the null hypothesis, as the score test does, and with the arms' own
under the effect. Relative effects of means are planned on the log scale, where the engine's default test lives.
"""

from functools import lru_cache
from typing import Literal

import numpy as np
from msgspec import Struct
from scipy.special import ndtr, ndtri

from offerlab.errors import InvalidPlan
from offerlab.stats.confidence_sequence import multiplier
from offerlab.stats.dunnett import control_loadings, dunnett_critical_value
from offerlab.stats.group_sequential import Plan, Sides, boundaries, drift_for, finding
from offerlab.stats.looks import Kind
from offerlab.stats.spending import FloatArray, Spending

Correction = Literal["dunnett", "bonferroni", "none"]
_SIDES: tuple[Literal[1, -1], ...] = (1, -1)


class Baseline(Struct, frozen=True):
    """What is known of the metric before the start.

    Attributes:
        mean: per customer in control; for a proportion its rate, for a ratio the ratio of the means.
        sd: of the customers' values; null for a proportion. For a ratio `ratio_sd`.
        sd_treatment: the same under the treatment; null: as in control (for a proportion it follows from the rate).
    """

    mean: float
    sd: float | None = None
    sd_treatment: float | None = None

    def __post_init__(self) -> None:
        """Refuse what no metric has."""
        if self.sd is None and not 0.0 < self.mean < 1.0:
            raise InvalidPlan(f"a rate lies between 0 and 1, not {self.mean}; a mean needs its sd", field="baseline")
        for spread in (self.sd, self.sd_treatment):
            if spread is not None and not 0.0 < spread < np.inf:
                raise InvalidPlan(f"a standard deviation is above 0, not {spread}", field="sd")


class Design(Struct, frozen=True):
    """How customers are split and how the result will be read.

    Attributes:
        weights: of the arms, control first; any positive numbers.
        alpha: error rate over all arms and looks.
        sides: 2, or 1 for non-inferiority.
        kind: fixed, group or always; see `sequential`.
        looks: how many, equally spaced up to the end; or their information fractions.
        spending: of the group rule.
        saved: share of the variance that covariates remove: the squared correlation with what they predict.
        correction: for several treatments against one control.
    """

    weights: tuple[float, ...] = (1.0, 1.0)
    alpha: float = 0.05
    sides: Sides = 2
    kind: Kind = "fixed"
    looks: int | tuple[float, ...] = 28
    spending: Spending = "obrien_fleming"
    saved: float = 0.0
    correction: Correction = "dunnett"

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        if len(self.weights) < 2 or not all(0.0 < weight < np.inf for weight in self.weights):  # noqa: PLR2004  # control and a treatment
            raise InvalidPlan("a design needs two arms or more with positive weights", field="weights")
        if not 0.0 < self.alpha < (0.5 if self.sides == 1 else 1.0):
            raise InvalidPlan(f"alpha {self.alpha} is out of range", field="alpha")
        if not 0.0 <= self.saved < 1.0:
            raise InvalidPlan(f"the variance saved is a share below 1, not {self.saved}", field="saved")
        if isinstance(self.looks, int) and self.looks < 1:
            raise InvalidPlan(f"there is at least one look, not {self.looks}", field="looks")

    @property
    def shares(self) -> tuple[float, ...]:
        """Weights that add up to 1."""
        total = sum(self.weights)
        return tuple(weight / total for weight in self.weights)

    @property
    def alpha_each(self) -> float:
        """The level of each comparison with control."""
        arms = len(self.weights) - 1
        if arms == 1 or self.correction == "none":
            return self.alpha
        if self.correction == "bonferroni" or self.sides == 1:
            return self.alpha / arms
        variances = 1.0 / np.array(self.shares)
        return float(2.0 * ndtr(-dunnett_critical_value(control_loadings(variances[0], variances[1:]), self.alpha)))


class Gain(Struct, frozen=True):
    """The effect that is worth finding.

    Attributes:
        size: treatment less control in the metric's unit, or as a share of the size of control's mean.
        relative: whether it is a share; then a mean is planned on the log scale.
        margin: for non-inferiority: how much worse is acceptable, on the same scale (`size` is then what is expected,
            0).
        side: of the margin: 1 for "not that much worse", -1 for "not that much better".
    """

    size: float
    relative: bool = True
    margin: float = 0.0
    side: Literal[1, -1] = 1


class Signal(Struct, frozen=True):
    """What one customer tells: drift = (size·√n - z√null)/√spread + z, z the critical value of one look.

    Attributes:
        size: of the effect, on the scale of the test, positive.
        null: n times the variance of the estimate without an effect.
        spread: the same with it.
    """

    size: float
    null: float
    spread: float


def ratio_sd(y: tuple[float, float], x: tuple[float, float], covariance: float) -> float:
    """Standard deviation of the linearised values (y - R x) / mean(x) of a ratio R = mean(y) / mean(x).

    Args:
        y: mean and variance of the numerator per customer.
        x: mean and variance of the denominator.
        covariance: of the two.

    Source:
        Deng, Knoblich and Lu (2018), KDD, section 3: the delta method by randomisation unit.
    """
    ratio = y[0] / x[0]
    return float(np.sqrt(y[1] - 2.0 * ratio * covariance + ratio**2 * x[1]) / abs(x[0]))


def signal(baseline: Baseline, gain: Gain, design: Design, arm: int) -> Signal:
    """What one customer of the whole experiment tells about one treatment (1 is the first)."""
    control, treatment = design.shares[0], design.shares[arm]
    mean = baseline.mean
    change = gain.size * abs(mean) if gain.relative else gain.size
    margin = gain.margin * abs(mean) if gain.relative else gain.margin
    kept = 1.0 - design.saved
    if baseline.sd is None:
        rate = mean + change
        if not 0.0 < rate < 1.0:
            raise InvalidPlan(f"a rate of {mean} with this effect would be {rate}", field="mde")
        pooled = (control * mean + treatment * rate) / (control + treatment)
        own = mean * (1.0 - mean) / control + rate * (1.0 - rate) / treatment
        null = pooled * (1.0 - pooled) * (1.0 / control + 1.0 / treatment) if margin == 0.0 else own
        return Signal(abs(change) if margin == 0.0 else gain.side * change + margin, kept * null, kept * own)
    spread = baseline.sd_treatment or baseline.sd
    if margin > 0.0:
        factor = 1.0 - gain.side * gain.margin * np.sign(mean) if gain.relative else 1.0
        own = factor**2 * baseline.sd**2 / control + spread**2 / treatment
        return Signal(gain.side * change + margin, kept * own, kept * own)
    if gain.relative:
        if mean == 0.0 or not mean * (mean + change) > 0.0:
            raise InvalidPlan("a relative effect needs a mean that stays on its side of zero", field="mde")
        own = (baseline.sd / mean) ** 2 / control + (spread / (mean + change)) ** 2 / treatment
        return Signal(abs(float(np.log1p(change / mean))), kept * own, kept * own)
    own = baseline.sd**2 / control + spread**2 / treatment
    return Signal(abs(change), kept * own, kept * own)


@lru_cache(maxsize=256)
def _looks(design: Design) -> tuple[FloatArray, FloatArray]:
    """Information fractions and critical values."""
    if design.kind == "fixed":
        return np.ones(1), np.array([-ndtri(design.alpha_each / design.sides)])
    looks = design.looks
    times = np.arange(1, looks + 1) / looks if isinstance(looks, int) else np.array(looks)
    if design.kind == "group":
        return times, boundaries(times, Plan(design.alpha_each, design.spending, design.sides))
    return times, multiplier(times, design.alpha_each, design.sides)


@lru_cache(maxsize=256)
def drift_needed(design: Design, power: float) -> float:
    """Drift for which a comparison of this design finds the effect with chance `power`."""
    times, upper = _looks(design)
    if not design.alpha_each < power < 1.0:
        raise InvalidPlan(f"power lies between alpha and 1, not {power}", field="power")
    if design.kind == "fixed":
        return float(upper[0] + ndtri(power))
    return drift_for(power, times, upper, design.sides)


def inflation_of(design: Design, power: float) -> float:
    """How many times the customers of the fixed test the looks cost at the most."""
    fixed = -ndtri(design.alpha_each / design.sides) + ndtri(power)
    return float((drift_needed(design, power) / fixed) ** 2)


def sample_size(baseline: Baseline, gain: Gain, design: Design, power: float = 0.8) -> float:
    """Customers of all arms together for the wanted power in every comparison with control.

    Args:
        baseline: the metric before the start.
        gain: the effect worth finding.
        design: split and reading.
        power: chance of finding it, in its own direction.

    Returns:
        Customers, not rounded; infinite for an effect of zero.

    Source:
        Jennison and Turnbull (2000), section 3.2 (drift, information); Fleiss, Levin and Paik (2003), equation 4.14
        without continuity correction (proportions: R's power.prop.test).
    """
    critical, needed = -ndtri(design.alpha_each / design.sides), drift_needed(design, power)
    found = 0.0
    for arm in range(1, len(design.weights)):
        told = signal(baseline, gain, design, arm)
        if told.size <= 0.0:
            return float("inf")
        root = ((needed - critical) * np.sqrt(told.spread) + critical * np.sqrt(told.null)) / told.size
        found = max(found, float(root**2))
    return found


def power_of(baseline: Baseline, gain: Gain, design: Design, customers: float) -> float:
    """Chance that the weakest comparison finds the effect, with this many customers in all arms together."""
    if not customers > 0.0:
        raise InvalidPlan(f"customers are above 0, not {customers}", field="n")
    critical = -ndtri(design.alpha_each / design.sides)
    drifts = []
    for arm in range(1, len(design.weights)):
        told = signal(baseline, gain, design, arm)
        excess = told.size * np.sqrt(customers) - critical * np.sqrt(told.null)
        drifts.append(float(excess / np.sqrt(told.spread) + critical))
    times, upper = _looks(design)
    return float(finding(times, upper, min(drifts), design.sides)[0])


def detectable(
    baseline: Baseline, design: Design, customers: float, power: float = 0.8, *, relative: bool = True
) -> float:
    """Smallest gain found with the wanted power by this many customers (MDE), as a share or in the metric's unit.

    Raises:
        InvalidPlan: no gain would be found (a rate can't exceed 1).
    """
    from scipy.optimize import brentq  # noqa: PLC0415  # serving must not pay for this import

    if not customers > 0.0:
        raise InvalidPlan(f"customers are above 0, not {customers}", field="n")

    def missing(size: float) -> float:
        return float(np.log(sample_size(baseline, Gain(size, relative), design, power) / customers))

    unit = abs(baseline.mean) if relative else 1.0
    scale = baseline.sd if baseline.sd is not None else float(np.sqrt(baseline.mean * (1.0 - baseline.mean)))
    low = 1e-9 * scale / unit
    high = low
    ceiling = (1.0 - baseline.mean) / unit * (1.0 - 1e-12) if baseline.sd is None else 1e6 * scale / unit
    while missing(high) > 0.0:
        if high >= ceiling:
            raise InvalidPlan(f"{customers:.0f} customers can't find any gain with power {power}", field="n")
        low, high = high, min(2.0 * high, ceiling)
    return low if high == low else float(brentq(missing, low, high, rtol=1e-12))


def equivalence_power(baseline: Baseline, gain: Gain, design: Design, customers: float) -> float:
    """Chance that two one-sided tests both show a difference smaller than the margin, each at the design's alpha.

    Args:
        baseline: the metric before the start.
        gain: `margin` on either side, and the true difference expected (`size`, smaller than the margin).
        design: split; one-sided, read once.
        customers: of all arms together.

    Source:
        Schuirmann (1987), J. Pharmacokinet. Biopharm. 15, 657-680; Phillips (1990), same journal 18, 137-144.
    """
    sides = [Gain(gain.size, gain.relative, gain.margin, side) for side in _SIDES]
    return max(0.0, sum(power_of(baseline, each, design, customers) for each in sides) - 1.0)


def equivalence_size(baseline: Baseline, gain: Gain, design: Design, power: float = 0.8) -> float:
    """Customers of all arms together for which `equivalence_power` is the wanted one.

    Raises:
        InvalidPlan: the expected difference is not inside the margin, or power outside (alpha, 1).
    """
    from scipy.optimize import brentq  # noqa: PLC0415  # serving must not pay for this import

    if not abs(gain.size) < gain.margin:
        raise InvalidPlan("equivalence needs an expected difference inside the margin", field="mde")
    if not design.alpha_each < power < 1.0:
        raise InvalidPlan(f"power lies between alpha and 1, not {power}", field="power")
    sides = [Gain(gain.size, gain.relative, gain.margin, side) for side in _SIDES]
    low = high = max(sample_size(baseline, each, design, power) for each in sides)
    while equivalence_power(baseline, gain, design, high) < power:
        low, high = high, 2.0 * high
    if low == high:
        return high
    return float(brentq(lambda n: equivalence_power(baseline, gain, design, n) - power, low, high, rtol=1e-12))


def optimal_weights(treatments: int) -> tuple[float, ...]:
    """Weights that need the fewest customers for several treatments against one control: √k to 1.

    Source:
        Dunnett (1955), JASA 50(272), 1096-1121, section 6.
    """
    if treatments < 1:
        raise InvalidPlan(f"there is at least one treatment, not {treatments}", field="weights")
    return (float(np.sqrt(treatments)), *(1.0 for _ in range(treatments)))
