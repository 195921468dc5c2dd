"""Which timing, which match, which message, which discount: the arms' offers read as a factorial design.

The factors are what the offers differ in. Those that always change together (another product has another text) are one
factor: no data can tell them apart. How many
products an offer shows (`slots`) is a factor of its own where the leading one and the number say all. Every combination
of levels must be an arm; the rest is `stats.factorial`.
"""

from collections.abc import Sequence
from math import prod
from typing import Final

import numpy as np

from offerlab.domain.offer import Offer
from offerlab.reporting.comparing import columns_of
from offerlab.reporting.metrics import Frame, as_interval
from offerlab.reporting.report import FactorChoice, Factors, FactorTerm, Undetermined
from offerlab.reporting.report import FactorContrast as Shown
from offerlab.stats import effect as stats
from offerlab.stats.factorial import Contrast, Factor, Factorial, read_factorial
from offerlab.stats.pair import mean_level, ratio_level
from offerlab.stats.sequential import alpha_now

_FEWEST_ARMS: Final = 2


def factors_of(frame: Frame, offers: Sequence[Offer]) -> Factors | None:
    """The read-out on the primary metric; None for a return or a time, or fewer than two arms with known offers.

    Args:
        frame: of the whole experiment.
        offers: as they were exposed.
    """
    experiment, key = frame.experiment, frame.experiment.metrics.primary
    known = {offer.key: offer for offer in offers}
    arms = [(i, known[arm.offer]) for i, arm in enumerate(experiment.variants) if arm.offer in known]
    if len(arms) < _FEWEST_ARMS or frame.metric(key).kind in {"roi", "duration"}:
        return None
    names, levels = _levels([offer for _, offer in arms])
    said = Factors(
        metric=key,
        factors={name: tuple(dict.fromkeys(each)) for name, each in zip(names, levels, strict=True)},
        arms={experiment.variants[i].key: tuple(each[at] for each in levels) for at, (i, _) in enumerate(arms)},
    )
    sizes = [len(each) for each in said.factors.values()]
    if frame.strata.follows_results:
        return _silent(said, "follows_results", "The weights followed the results: plain means of the arms mislead.")
    if not names:
        return _silent(said, "no_variance", "The offers of the arms do not differ.")
    if prod(sizes) != len(arms) or len(set(said.arms.values())) != len(arms):
        return _silent(said, "no_reference", "Not every combination of the factors is an arm of its own.")
    found = _read(frame, said, [i for i, _ in arms])
    if isinstance(found, stats.Undetermined):
        return _silent(said, found.reason, found.detail)
    return _told(said, found)


def _silent(said: Factors, reason: str, detail: str) -> Factors:
    return Factors(metric=said.metric, factors=said.factors, arms=said.arms, undetermined=Undetermined(reason, detail))


def _levels(offers: Sequence[Offer]) -> tuple[list[str], list[list[str]]]:
    """Names of the factors that vary, and each one's level in every arm; what always changes together is joined."""
    rows = [_traits(offer) for offer in offers]
    leads = [(offer.products[:1], len(offer.products)) for offer in offers]
    if len(set(leads)) == len({offer.products for offer in offers}):  # how many is told apart from which one leads
        for row, (lead, count) in zip(rows, leads, strict=True):
            row |= {"product": lead[0] if lead else row["product"], "slots": str(count)}
    groups: dict[tuple[int, ...], list[str]] = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        order = list(dict.fromkeys(values))
        if len(order) > 1:
            groups.setdefault(tuple(order.index(value) for value in values), []).append(name)
    names = [" & ".join(group) for group in groups.values()]
    return names, [[row[group[0]] for row in rows] for group in groups.values()]


def _traits(offer: Offer) -> dict[str, str]:
    """What may be varied, in words, most telling first."""
    timing = offer.timing
    delay = f"+{timing.delay_seconds // 3600} h" if timing.delay_seconds else "at once"
    value = offer.discount.value
    text = next(iter(offer.message.values()), None)
    return {
        "timing": f"{timing.trigger or 'any moment'}, {delay}",
        "product": ", ".join(offer.products) or offer.match,
        "slots": "",
        "match": offer.match,
        "discount": offer.discount.type if value is None else f"{offer.discount.type} {value.normalize():f}",
        "channel": offer.channel or "any",
        "kind": offer.kind,
        "benefit": offer.benefit_type or "",
        "message": "" if text is None else (text.title or text.body)[:80],
    }


def _read(frame: Frame, said: Factors, arms: Sequence[int]) -> Factorial | stats.Undetermined:
    shape = tuple(len(each) for each in said.factors.values())
    means, variances = np.full(shape, np.nan), np.full(shape, np.nan)
    key = said.metric
    sign = 1.0 if frame.metric(key).better == "up" else -1.0
    order = list(said.factors.values())
    for i in arms:
        at = tuple(order[k].index(level) for k, level in enumerate(said.arms[frame.experiment.variants[i].key]))
        level = _level(frame, key, i, arms)
        if level is not None:
            means[at], variances[at] = sign * level[0], level[1]
    past = [float(look.n) for look in frame.looks if look.n]
    alpha = alpha_now(float(frame.strata.n), frame.rule, past) if frame.strata.n else frame.rule.alpha
    factors = [Factor(name, levels) for name, levels in said.factors.items()]
    found = read_factorial(factors, means, variances, alpha=alpha)
    return found if isinstance(found, stats.Undetermined) or sign > 0 else _turned(found)


def _level(frame: Frame, key: str, arm: int, arms: Sequence[int]) -> tuple[float, float] | None:
    """An arm's mean and its variance, over the strata that hold every arm, weighted by their customers."""
    measure = frame.measure(key)
    parts = frame.strata.levels(columns_of(measure), arm, arms)
    total = sum(size for _, size in parts)
    if not parts or any(float(moments.n) < 2 for moments, _ in parts):  # noqa: PLR2004 - a spread needs two
        return None
    mean = variance = 0.0
    for moments, size in parts:
        level = mean_level(moments) if measure.denominator is None else ratio_level(moments, 0, 1)
        mean += size / total * float(level.level) / measure.per
        variance += (size / total / measure.per) ** 2 * float(level.variance)
    return mean, variance


def _turned(found: Factorial) -> Factorial:
    """Effects back in the metric's own direction, after less has been read as better."""
    from msgspec.structs import replace  # noqa: PLC0415 - beside its only use

    def turned(each: Contrast) -> Contrast:
        said = each.effect
        return replace(each, effect=stats.Interval(-said.estimate, -said.upper, -said.lower))

    terms = tuple(replace(term, contrasts=tuple(map(turned, term.contrasts))) for term in found.terms)
    return replace(found, terms=terms)


def _told(said: Factors, found: Factorial) -> Factors:
    choices: list[FactorChoice] = []
    groups = iter(said.factors)
    for each in found.recommendations:
        if isinstance(each, stats.Undetermined):
            name = next(n for n in groups if n not in {m for c in choices for m in c.factors})
            choices.append(FactorChoice(factors=(name,), undetermined=Undetermined(each.reason, each.detail)))
        else:
            choices.append(
                FactorChoice(
                    factors=each.factors, levels=each.levels, chance=each.chance, expected_loss=each.expected_loss
                )
            )
    return Factors(
        metric=said.metric,
        factors=said.factors,
        arms=said.arms,
        terms=tuple(
            FactorTerm(
                factors=term.factors,
                p_value=term.test.p_value,
                p_value_adjusted=term.p_value_adjusted,
                contrasts=tuple(
                    Shown(
                        levels=each.levels,
                        effect=as_interval(each.effect),
                        p_value=each.p_value,
                        p_value_adjusted=each.p_value_adjusted,
                    )
                    for each in term.contrasts
                ),
            )
            for term in found.terms
        ),
        choices=tuple(choices),
    )
