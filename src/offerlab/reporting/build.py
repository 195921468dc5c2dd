"""Cells -> Report. Pure: the same cells, experiment and moment give the same bytes, on every engine."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct
from scipy.special import ndtri

from offerlab.domain.clock import DAY, iso
from offerlab.domain.experiment import Experiment, Status
from offerlab.domain.offer import Offer
from offerlab.reporting.cells import CROSSOVER, Cell, Cells
from offerlab.reporting.course import days_of, per_day
from offerlab.reporting.cuts import segments_of
from offerlab.reporting.factors import factors_of
from offerlab.reporting.fading import novelty_of
from offerlab.reporting.families import corrected
from offerlab.reporting.looking import PastLook, looking_of, rule_of
from offerlab.reporting.metrics import Frame, metric_results, range_at, repeated_p
from offerlab.reporting.money import money_of
from offerlab.reporting.projecting import projections_of
from offerlab.reporting.report import (
    DeclineCount,
    Effect,
    Facts,
    Funnel,
    Interval,
    Maturity,
    MetricResult,
    PartialBundle,
    Report,
    Reproduce,
    State,
    SuppressedCount,
)
from offerlab.reporting.rounding import rounded
from offerlab.reporting.split import Strata
from offerlab.reporting.trust import judge_quality, time_checks
from offerlab.reporting.verdict import Situation, decide
from offerlab.reporting.voices import voices_of
from offerlab.stats.looks import timeline
from offerlab.stats.prior import FALLBACK, Prior

_ENDED: Final[frozenset[Status]] = frozenset(("stopped", "archived"))


class Past(Struct, frozen=True, kw_only=True):
    """What was there before this report.

    Attributes:
        looks: earlier reports of this experiment that somebody saw (`look_of`).
        prior: of a lift, learned from the project's past experiments.
        offers: of the arms, in the versions that were exposed.
    """

    looks: Sequence[PastLook] = ()
    prior: Prior = FALLBACK
    offers: Sequence[Offer] = ()


NO_PAST: Final = Past()


def build_report(
    experiment: Experiment,
    cells: Cells,
    *,
    as_of: int,
    currency: str,
    version: str,
    past: Past = NO_PAST,
    ruleset_version: int | None = None,
) -> Report:
    """The report of `experiment` from its cells.

    Args:
        experiment: with its epochs and changes.
        cells: of everything received up to `as_of`, crossovers included.
        as_of: microseconds UTC.
        currency: of the project.
        version: of OfferLab, for reproduction.
        past: earlier reports of this experiment, and what other experiments have taught.
        ruleset_version: in force now, for reproduction.
    """
    looks, prior = past.looks, past.prior
    cells = msgspec.structs.replace(cells, cells=tuple(sorted(cells.cells, key=_order)))
    analysed = cells.analysed
    strata = Strata(experiment, analysed)
    first_at = min((cell.first_at for cell in cells.cells), default=None)
    rule = rule_of(experiment, n=strata.n, first_at=first_at, as_of=as_of, looks=looks)
    looking = looking_of(rule, looks, strata.n)
    frame = Frame(experiment=experiment, strata=strata, rule=rule, looks=looks, prior=prior)
    metrics = _metrics(frame)
    state, status = _state(experiment, cells, as_of)
    maturity = _maturity(experiment, analysed)
    over = status in _ENDED or (experiment.ends_at is not None and experiment.ends_at <= as_of)
    awaited = status == "running" and not over
    novelty = novelty_of(frame, as_of=as_of)
    more = time_checks(looking, novelty)
    quality = judge_quality(experiment, cells, metrics, currency=currency, as_of=as_of, running=awaited, more=more)
    situation = Situation(
        state=state,
        customers=strata.n,
        per_day=per_day(analysed, as_of),
        over=over,
        maturity=maturity,
        early=looking.note == "before_end" and not over,
    )
    segments, heterogeneity = segments_of(frame, margin=_worth_having(experiment, metrics[0]))
    report = Report(
        experiment=experiment.key,
        as_of=iso(as_of),
        state=state,
        quality=quality,
        metrics=metrics,
        segments=segments,
        heterogeneity=heterogeneity,
        verdict=decide(experiment, metrics, quality, situation, segments=segments, heterogeneity=heterogeneity),
        reproduce=_reproduce(experiment, cells, as_of, version, ruleset_version),
        facts=_facts(experiment, cells, status, currency, as_of, looking.planned),
        maturity=maturity,
        funnel=_funnel(experiment, cells),
        days=days_of(frame, as_of=as_of),
        money=money_of(frame, currency=currency),
        declines=_declines(experiment, cells),
        segment_by=cells.cut_by,
        looking=looking,
        novelty=novelty,
        voices=voices_of(experiment, cells),
        factors=factors_of(frame, past.offers),
        projections=projections_of(frame, metrics[0], margin=_worth_having(experiment, metrics[0])),
    )
    return rounded(report)


def look_of(report: Report) -> PastLook:
    """What a shown report means for later looks: its customers and its statistics."""
    shown = {
        metric.metric: {each.variant: each.z for each in metric.effects if each.z is not None}
        for metric in report.metrics
    }
    return PastLook(report.facts.customers, shown, report.facts.planned_customers)


def lift_in(report: Report) -> tuple[float, float] | None:
    """The first treatment's lift on the primary metric and its error, as the evidence for a prior; None without."""
    if report.state == "running" or not report.metrics or not report.quality.srm.ok:
        return None
    effect = next(iter(report.metrics[0].effects), None)
    said = None if effect is None or effect.bayes is None else effect.bayes.flat.lift
    if said is None or said.lower is None or said.upper is None or not said.upper > said.lower:
        return None
    return said.estimate, (said.upper - said.lower) / (2 * -float(ndtri(report.facts.alpha / 2)))


def _order(cell: Cell) -> tuple[int, int, int, str, str]:
    return cell.variant, cell.epoch, cell.day, cell.segment or "", cell.cut or ""


def _metrics(frame: Frame) -> tuple[MetricResult, ...]:
    """All metrics, corrected for their number."""
    experiment = frame.experiment
    alpha = experiment.analysis.alpha

    def widen(key: str, variant: str, level: float) -> Interval | None:
        return range_at(frame, key, variant, level)

    def repeated(key: str, effect: Effect) -> float:
        return repeated_p(frame, key, effect)

    past = [float(look.n) for look in frame.looks if look.z]
    overrun = bool(frame.strata.n) and timeline(float(frame.strata.n), frame.rule, past).note == "overrun"
    shared = not overrun and not frame.strata.follows_results
    return corrected(metric_results(frame), alpha=alpha, widen=widen, repeated=repeated, shared=shared)


def _worth_having(experiment: Experiment, primary: MetricResult) -> float | None:
    mean = primary.arms[0].mean if primary.arms else None
    return experiment.analysis.mde * abs(mean) if mean else None


def _state(experiment: Experiment, cells: Cells, as_of: int) -> tuple[State, Status]:
    """Where the experiment stood then: running until it is stopped, maturing until the last refund window closes."""
    status: Status = experiment.status if not experiment.changes else "draft"
    for change in experiment.changes:
        if change.at <= as_of:
            status = change.status
    if status not in _ENDED:
        return "running", status
    closes = _closes(experiment, cells)
    return ("maturing" if closes is not None and closes > as_of else "final"), status


def _closes(experiment: Experiment, cells: Cells) -> int | None:
    last = max((cell.last_at for cell in cells.cells), default=None)
    return None if last is None else last + (experiment.window_days + experiment.refund_days) * DAY


def _maturity(experiment: Experiment, analysed: Cells) -> Maturity:
    closes = _closes(experiment, analysed)
    return Maturity(
        customers=analysed.n,
        window_closed=analysed.n - analysed.total("window_open"),
        refunds_closed=analysed.n - analysed.total("refunds_open"),
        final_at=None if closes is None else iso(closes),
    )


def _facts(
    experiment: Experiment, cells: Cells, status: Status, currency: str, as_of: int, planned_customers: int | None
) -> Facts:
    plan = experiment.analysis
    started = next((change.at for change in experiment.changes if change.status == "running"), experiment.starts_at)
    first = min((cell.first_at for cell in cells.cells), default=None)
    last = max((cell.last_at for cell in cells.cells), default=None)
    began = started if started is not None else first
    planned = None if began is None or experiment.ends_at is None else -(-(experiment.ends_at - began) // DAY)
    control = experiment.control
    return Facts(
        status=status,
        hypothesis=experiment.hypothesis,
        currency=currency,
        control=None if control is None else experiment.variants[control].key,
        variants=tuple(arm.key for arm in experiment.variants),
        started_at=None if started is None else iso(started),
        ends_at=None if experiment.ends_at is None else iso(experiment.ends_at),
        first_exposure_at=None if first is None else iso(first),
        last_exposure_at=None if last is None else iso(last),
        customers=cells.analysed.n,
        planned_customers=planned_customers,
        day=None if began is None else max((as_of - began) // DAY + 1, 1),
        days_planned=planned,
        alpha=plan.alpha,
        mde=plan.mde,
        sequential=plan.sequential,
        window_days=experiment.window_days,
        refund_days=experiment.refund_days,
        epochs=tuple(iso(epoch.started_at) for epoch in experiment.epochs),
        offers={arm.key: arm.offer for arm in experiment.variants if arm.offer is not None},
    )


def _funnel(experiment: Experiment, cells: Cells) -> Funnel:
    analysed = cells.analysed
    names = [arm.key for arm in experiment.variants]
    suppressed = sorted(cells.notes.suppressed.items())
    return Funnel(
        decided=None,
        enrolled=None,
        exposures=sum(cell.exposures for cell in cells.cells),
        exposed=cells.n,
        crossovers=sum(cell.n for cell in cells.cells if cell.variant == CROSSOVER),
        analysed=analysed.n,
        shown=analysed.total("shown"),
        suppressed=tuple(SuppressedCount(names[variant], reason, n) for (variant, reason), n in suppressed),
        other_currency=analysed.total("other_currency"),
        rejected=cells.notes.rejected,
        partial_bundles=tuple(_partial_bundles(names, analysed)),
    )


def _partial_bundles(names: Sequence[str], analysed: Cells) -> Iterator[PartialBundle]:
    if analysed.has("partial_bundle"):
        at = analysed.monomials.index(("partial_bundle",))
        for i, name in enumerate(names):
            n = sum(cell.sums[at] for cell in analysed.cells if cell.variant == i)
            if n:
                yield PartialBundle(name, n)


def _declines(experiment: Experiment, cells: Cells) -> tuple[DeclineCount, ...]:
    names = [arm.key for arm in experiment.variants]
    ordered = sorted(cells.notes.declines.items(), key=lambda item: (item[0][0], -item[1], item[0][1]))
    return tuple(DeclineCount(names[variant], reason, n) for (variant, reason), n in ordered)


def _reproduce(
    experiment: Experiment, cells: Cells, as_of: int, version: str, ruleset_version: int | None
) -> Reproduce:
    plan = {
        "variants": experiment.variants,
        "metrics": experiment.metrics,
        "analysis": experiment.analysis,
        "window_days": experiment.window_days,
        "refund_days": experiment.refund_days,
        "ends_at": experiment.ends_at,
    }
    return Reproduce(
        as_of=iso(as_of),
        engine=cells.engine,
        version=version,
        ruleset_version=ruleset_version,
        revision=experiment.revision,
        plan_hash=_digest(plan),
        moments_hash=_digest([cells.monomials, cells.divisors, cells.cells]),
        command=f"offerlab report {experiment.key} --as-of {iso(as_of)}",
    )


def _digest(value: object) -> str:
    return sha256(msgspec.json.encode(value, order="sorted")).hexdigest()
