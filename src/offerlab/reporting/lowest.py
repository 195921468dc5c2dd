"""The offers that did worst, with what customers said: where the next version starts."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from offerlab.domain.offer import Offer
from offerlab.reporting.report import DeclineCount, Report

MOST_REASONS = 3


class OfferResult(Struct, frozen=True, kw_only=True):
    """One offer in one experiment, as of its last reading.

    Attributes:
        acceptance_rate, se: accepted over exposed customers; null where the experiment did not measure it.
        need_fit_rate: accepted and kept over exposed customers; likewise.
        declines: how many said no; reasons: the most frequent of theirs.
        replaces, replaced_by: the lineage: which offer this one followed, and which ones followed it.
    """

    experiment: str
    as_of: str
    state: str
    variant: str
    offer: str
    customers: int
    acceptance_rate: float | None
    se: float | None
    need_fit_rate: float | None
    declines: int
    reasons: tuple[DeclineCount, ...]
    replaces: str | None = None
    replaced_by: tuple[str, ...] = ()


def offer_results(reports: Iterable[Report], offers: Mapping[str, Offer]) -> list[OfferResult]:
    """Every offer that was tried, the lowest acceptance first; those without one last."""
    found = [each for report in reports for each in _of(report, offers)]
    found.sort(
        key=lambda each: (each.acceptance_rate is None, each.acceptance_rate or 0.0, each.experiment, each.variant)
    )
    return found


def _of(report: Report, offers: Mapping[str, Offer]) -> Iterable[OfferResult]:
    accepted = next((metric for metric in report.metrics if metric.metric == "acceptance_rate"), None)
    arms = {arm.variant: arm for arm in accepted.arms} if accepted is not None else {}
    kept = {
        arm.variant: arm.mean for metric in report.metrics if metric.metric == "need_fit_rate" for arm in metric.arms
    }
    sizes = {arm.variant: arm.n for arm in report.metrics[0].arms} if report.metrics else {}
    for variant, key in report.facts.offers.items():
        declines = sorted((each for each in report.declines if each.variant == variant), key=lambda each: -each.n)
        known = offers.get(key)
        arm = arms.get(variant)
        yield OfferResult(
            experiment=report.experiment,
            as_of=report.as_of,
            state=report.state,
            variant=variant,
            offer=key,
            customers=sizes.get(variant) or 0,
            acceptance_rate=arm.mean if arm is not None else None,
            se=arm.se if arm is not None else None,
            need_fit_rate=kept.get(variant),
            declines=sum(each.n for each in declines),
            reasons=tuple(declines[:MOST_REASONS]),
            replaces=known.replaces if known is not None else None,
            replaced_by=tuple(sorted(other.key for other in offers.values() if other.replaces == key)),
        )
