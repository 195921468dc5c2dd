"""What analysts read beneath the answer: capped and believed effects, the end foretold, factors, novelty, voices."""

from msgspec import Struct

from offerlab.dashboard.speech import NOTHING, Speech
from offerlab.dashboard.tables import Cell, Table
from offerlab.reporting.report import Effect, FactorChoice, MetricResult, Report, Unit


class FactorsBlock(Struct, frozen=True):
    """Which timing, which match is best: sentences first, then every contrast."""

    sentences: tuple[str, ...]
    table: Table | None


def beliefs(metric: MetricResult, speech: Speech) -> Table | None:
    """The effect capped, shrunk by the programme's prior, and under none; None where nothing of it can be said."""
    told = [each for each in metric.effects if each.bayes is not None or each.capped is not None]
    if not told:
        return None
    words = speech.words
    codes = ("c_arm", "c_capped", "c_limit", "c_shrunk", "c_chance_prior", "c_chance_flat", "c_best", "c_exact")
    best = {each.variant: each.chance for each in metric.best}
    rows = tuple(_belief(metric, each, best.get(each.variant), speech) for each in told)
    source = next((each.bayes for each in told if each.bayes is not None), None)
    caption = words("beliefs_table")
    if source is not None:
        prior = words(f"prior_{source.prior_source}", n=source.prior_experiments, sd=speech.share(source.prior_sd))
        caption = f"{caption} {prior}"
    return Table(caption, tuple(words(code) for code in codes), rows)


def _belief(metric: MetricResult, effect: Effect, best: float | None, speech: Speech) -> tuple[Cell, ...]:
    capped, bayes, exact = effect.capped, effect.bayes, effect.exact
    said = None if capped is None else capped.absolute
    shown = NOTHING
    if said is not None:
        shown = f"{speech.effect(said.estimate, metric.unit, signed=True)} ({speech.range(said, metric.unit)})"
    return (
        Cell(effect.variant, number=False),
        Cell(shown),
        Cell(NOTHING if capped is None else speech.level(capped.limit, metric.unit)),
        Cell(NOTHING if bayes is None else speech.relative_range(bayes.informed.lift)),
        Cell(NOTHING if bayes is None else speech.share(bayes.informed.chance_to_beat)),
        Cell(NOTHING if bayes is None else speech.share(bayes.flat.chance_to_beat)),
        Cell(speech.share(best)),
        Cell(NOTHING if exact is None else speech.relative_range(exact.relative)),
    )


def projected(report: Report, speech: Speech) -> tuple[str, ...]:
    """How the plan will probably end, a sentence for each treatment."""
    unit = report.metrics[0].unit
    return tuple(
        speech.words(
            "projection",
            v=each.variant,
            n=speech.count(each.planned),
            gain=speech.effect(each.smallest_gain, unit, size=True),
            seen=speech.share(each.chance_as_seen),
        )
        for each in report.projections
    )


def novelty(report: Report, speech: Speech) -> Table | None:
    """The effect in each part of the window; None while no window has passed."""
    told = [each for each in report.novelty if each.parts]
    if not told:
        return None
    unit: Unit = "money" if told[0].value == "revenue" else "count"
    days = [part.day for part in told[0].parts]
    rows: list[tuple[Cell, ...]] = []
    for i, day in enumerate(days):
        cells = [Cell(f"{day:g}")]
        for each in told:
            part = each.parts[i]
            low, high = speech.end(part.lower, unit), speech.end(part.upper, unit, last=True)
            cells.append(Cell(f"{speech.effect(part.estimate, unit, signed=True)} ({low} … {high})"))
        rows.append(tuple(cells))
    head = (speech.words("c_since"), *(each.variant for each in told))
    return Table(speech.words(f"novelty_{told[0].value}"), head, tuple(rows))


def factors_block(report: Report, speech: Speech) -> FactorsBlock | None:
    """Each factor's answer in a sentence; None where the arms' offers are no design of several factors."""
    found, words = report.factors, speech.words
    if found is None or len(found.factors) < 2:  # noqa: PLR2004 - one factor is what the metric already says
        return None
    if found.undetermined is not None:
        return FactorsBlock((words(f"factors_{found.undetermined.reason}"),), None)
    unit = report.metrics[0].unit
    rows = tuple(
        (
            Cell(" × ".join(_factor(name, speech) for name in term.factors), number=False),
            Cell(" × ".join(each.levels), number=False),
            Cell(speech.effect(each.effect.estimate, unit, signed=True)),
            Cell(speech.range(each.effect, unit)),
            Cell(speech.p_value(each.p_value_adjusted)),
        )
        for term in found.terms
        for each in term.contrasts
    )
    head = tuple(words(code) for code in ("c_factor", "c_level", "c_difference", "c_range", "c_p_adjusted"))
    sentences = tuple(_choice(each, speech) for each in found.choices)
    return FactorsBlock(sentences, Table(words("b_factors"), head, rows))


def _choice(choice: FactorChoice, speech: Speech) -> str:
    names = ", ".join(_factor(name, speech) for name in choice.factors)
    if not choice.levels:
        return speech.words("factor_open", f=names)
    return speech.words("factor_best", f=names, level=", ".join(choice.levels), p=speech.share(choice.chance))


def _factor(name: str, speech: Speech) -> str:
    """A factor's name in the reader's language; joined ones part by part."""
    return " & ".join(speech.words.maybe(f"factor_{part}") or part for part in name.split(" & "))


def voices(report: Report, speech: Speech) -> Table | None:
    """What customers wrote last."""
    if not report.voices:
        return None
    words = speech.words
    rows = tuple(
        (Cell(each.variant, number=False), Cell(speech.date(each.at), number=False), Cell(each.text, number=False))
        for each in report.voices
    )
    return Table(words("voices"), (words("c_arm"), words("c_day"), words("c_text")), rows)
