"""What a treatment earns: the steps from extra sales to net profit, its return, and equally likely values."""

from typing import Final

from scipy.special import ndtri

from offerlab.reporting.comparing import ROI, contrast_of, mean_outcome
from offerlab.reporting.extra_orders import extra_orders
from offerlab.reporting.metrics import Frame, as_interval
from offerlab.reporting.report import Interval, Money, MoneyStep, Undetermined
from offerlab.stats import effect as stats

PER: Final = 1_000
"""Customers that the steps are given for."""

QUANTILES: Final = 20

_STEPS: Final = (
    ("offered_items", "offered_full", 1),
    ("rest_of_basket", "rest_full", 1),
    ("refunds", "given_back", -1),
    ("cost_of_goods", "goods", -1),
    ("discount", "discount", -1),
    ("delivery", "delivery", -1),
    ("net", "profit", 1),
)


def money_of(frame: Frame, *, currency: str) -> tuple[Money, ...]:
    """One entry per treatment; nothing without the sums of the steps."""
    if not frame.strata.cells.has("profit", "profit"):
        return ()
    experiment = frame.experiment
    reference = experiment.control if experiment.control is not None else 0
    return tuple(_money(frame, reference, i, currency) for i in range(len(experiment.variants)) if i != reference)


def _money(frame: Frame, reference: int, treatment: int, currency: str) -> Money:
    strata, name = frame.strata, frame.experiment.variants[treatment].key
    attributed = _mean(frame, treatment, "attributed") * strata.arm(treatment).n
    why = _withheld(frame)
    revenue = None if frame.experiment.control is None else _effect(frame, reference, treatment, "revenue")
    n = strata.arm(treatment).n
    incremental = None if revenue is None else as_interval(revenue.absolute).times(n)
    orders = extra_orders(frame, reference, treatment, PER)
    net = _effect(frame, reference, treatment, "profit")
    if why is None and net is None:
        why = Undetermined("no_variance", "There is no spread in profit to measure chance by.")
    if why is not None or net is None:
        return Money(
            variant=name,
            currency=currency,
            steps=(),
            roi=None,
            quantiles=(),
            incremental_revenue=incremental,
            attributed_revenue=attributed,
            undetermined=why,
            extra_orders=orders,
        )
    roi = contrast_of(ROI, strata, reference, treatment, [frame.rule.alpha]).said[0]
    mean, error = PER * net.absolute.estimate, PER * net.standard_error
    return Money(
        variant=name,
        currency=currency,
        steps=tuple(_steps(frame, reference, treatment)),
        roi=as_interval(roi.absolute) if isinstance(roi, stats.Effect) else None,
        quantiles=tuple(mean + error * float(ndtri((i + 0.5) / QUANTILES)) for i in range(QUANTILES)),
        incremental_revenue=incremental,
        attributed_revenue=attributed,
        undetermined=None,
        extra_orders=orders,
    )


def _withheld(frame: Frame) -> Undetermined | None:
    if frame.experiment.control is None:
        return Undetermined("no_control", "Without a control arm nobody knows what would have been sold anyway.")
    missing, lines = frame.strata.total("uncosted"), frame.strata.total("lines")
    if missing:
        return Undetermined("no_unit_cost", f"{missing} of {lines} lines sold have no unit cost.")
    return None


def _effect(frame: Frame, reference: int, treatment: int, value: str) -> stats.Effect | None:
    outcome = mean_outcome(value, frame.strata, reference, treatment, frame.rule.alpha)
    return outcome if isinstance(outcome, stats.Effect) else None


def _steps(frame: Frame, reference: int, treatment: int) -> list[MoneyStep]:
    steps: list[MoneyStep] = []
    for code, value, sign in _STEPS:
        effect = _effect(frame, reference, treatment, value)
        said = Interval(0.0, 0.0, 0.0) if effect is None else as_interval(effect.absolute)
        step = said.times(sign * PER)
        if code == "discount":
            steps += _discounts(frame, reference, treatment, step)
        else:
            steps.append(MoneyStep(code=code, estimate=step.estimate, lower=step.lower, upper=step.upper))
    return steps


def _discounts(frame: Frame, reference: int, treatment: int, whole: Interval) -> list[MoneyStep]:
    """The discount on extra units, and the discount given to those who would have bought anyway.

    At the treatment's discount per offered unit, the reference's units would have cost that much less: this part is
    given away; the rest of the difference is on extra units. The split carries no range of its own.
    """
    units = [_mean(frame, arm, "offered_units") for arm in (reference, treatment)]
    off = [_mean(frame, arm, "discount") for arm in (reference, treatment)]
    anyway = -PER * (off[1] / units[1] * units[0] - off[0]) if units[1] else 0.0
    return [
        MoneyStep(code="discount_extra", estimate=whole.estimate - anyway, lower=None, upper=None),
        MoneyStep(code="discount_anyway", estimate=anyway, lower=None, upper=None),
    ]


def _mean(frame: Frame, arm: int, value: str) -> float:
    cells, tally = frame.strata.cells, frame.strata.arm(arm)
    total = tally.sums[cells.monomials.index((value,))]
    return total / tally.n / cells.divisors.get(value, 1) if tally.n else 0.0
