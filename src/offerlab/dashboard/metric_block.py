"""One metric on the page: what is said of it, its picture, its tables."""

from msgspec import Struct

from offerlab.dashboard.analyst import beliefs, projected
from offerlab.dashboard.page import Page, Picture, Tone
from offerlab.dashboard.speech import NOTHING
from offerlab.dashboard.tables import Cell, Table
from offerlab.reporting import plots
from offerlab.reporting.report import Effect, MetricResult
from offerlab.reporting.words import CAUTIONS, say


class MetricBlock(Struct, frozen=True, kw_only=True):
    """One metric: sentences first, the picture, then every number."""

    key: str
    name: str
    sentences: tuple[str, ...]
    notes: tuple[str, ...]
    label: str | None
    tone: Tone | None
    picture: Picture | None
    arms: Table
    effects: Table | None
    beliefs: Table | None = None


def metric_block(page: Page, metric: MetricResult) -> MetricBlock:
    """What is said of one metric."""
    words = page.words
    picture = None
    if f"effects-{metric.metric}" in page.names:
        reference = metric.effects[0].reference
        picture = page.picture(
            f"effects-{metric.metric}", "picture_effects", c=reference, m=page.speech.metric(metric.metric)
        )
    sentences = [_sentence(page, metric, effect) for effect in metric.effects]
    if metric.undetermined is not None:
        sentences = [_why(page, metric.undetermined.reason, metric.undetermined.detail, metric)]
    if metric.unit == "share" and metric.role == "primary":
        sentences += _of_thousand(page, metric)
    label, tone = _limit(page, metric)
    return MetricBlock(
        key=metric.metric,
        name=metric.name or page.speech.metric(metric.metric),
        sentences=tuple(sentences),
        notes=(*_notes(page, metric), *(projected(page.report, page.speech) if metric.role == "primary" else ())),
        label=label,
        tone=tone,
        picture=picture,
        arms=Table(
            words("arms_table"),
            (words("c_arm"), words("c_n"), words("c_mean")),
            tuple(
                (
                    page.arm(arm.variant),
                    Cell(page.speech.count(arm.n)),
                    Cell(page.speech.level(arm.mean, metric.unit)),
                )
                for arm in metric.arms
            ),
        ),
        effects=_effects(page, metric) if metric.effects else None,
        beliefs=beliefs(metric, page.speech),
    )


def _sentence(page: Page, metric: MetricResult, effect: Effect) -> str:
    """An effect in words: absolute, range, relative."""
    speech, said = page.speech, effect.absolute
    if said is None:
        why = effect.undetermined
        told = _why(page, why.reason, why.detail, metric, effect) if why else NOTHING
        return page.words("sentence_none", v=effect.variant, why=told)
    if said.shape != "bounded":
        return page.words(
            "sentence_any",
            v=effect.variant,
            c=effect.reference,
            abs=speech.effect(said.estimate, metric.unit, signed=True),
        )
    sure = (said.lower or 0) > 0 or (said.upper or 0) < 0
    code = "sentence_open" if not sure else "sentence_up" if said.estimate > 0 else "sentence_down"
    mean = next((arm.mean for arm in metric.arms if arm.variant == effect.reference), None)
    return page.words(
        code,
        v=effect.variant,
        c=effect.reference,
        abs=speech.effect(said.estimate, metric.unit, signed=not sure, size=sure),
        lo=speech.end(said.lower, metric.unit),
        hi=speech.end(said.upper, metric.unit, last=True),
        rel=speech.relative(effect.relative),
        mean=speech.level(mean, metric.unit),
    )


def _why(page: Page, reason: str, detail: str, metric: MetricResult, effect: Effect | None = None) -> str:
    """Why nothing can be said."""
    arms = {arm.variant: arm for arm in metric.arms}
    if reason == "too_few":
        asked = [effect.variant, effect.reference] if effect else list(arms)
        counts = ", ".join(f"{key} {page.speech.count(arms[key].converted)}" for key in asked if key in arms)
        return page.words("u_too_few", counts=counts)
    return page.words.maybe(f"u_{reason}") or page.words("u_other", detail=detail)


def _of_thousand(page: Page, metric: MetricResult) -> list[str]:
    """How many of 1,000 did it in each arm: a narrow range is then not read as a big effect."""
    did = page.words.maybe(f"did_{metric.metric}")
    told = [
        page.words("of_1000_arm", v=arm.variant, n=page.speech.count(1000 * arm.mean))
        for arm in metric.arms
        if arm.mean is not None
    ]
    return [page.words("of_1000", did=did, list=", ".join(told))] if did and metric.effects else []


def _limit(page: Page, metric: MetricResult) -> tuple[str | None, Tone | None]:
    if metric.role != "guardrail":
        return None, None
    limits = {each.limit for each in metric.effects}
    code = "past" if "past" in limits else "within" if limits == {"within"} else "cant_tell"
    tone: dict[str, Tone] = {"past": "halt", "within": "rest", "cant_tell": "look"}
    margin = next((each.margin for each in metric.effects if each.margin is not None), None)
    word = page.words(code)
    if margin is None:
        return word, tone[code]
    return f"{word} ({page.words('margin_of', m=page.speech.effect(margin, metric.unit, size=True))})", tone[code]


def _notes(page: Page, metric: MetricResult) -> list[str]:
    language = page.speech.language
    codes = dict.fromkeys(each.code for effect in metric.effects for each in effect.cautions)
    if not metric.causal:
        codes = {"selected": None, **codes}
    said = [say("caution", code, language) for code in codes if code in CAUTIONS]
    shown = [(arm.variant, arm.mean_shown) for arm in metric.arms if arm.mean_shown is not None]
    if shown:
        told = ", ".join(f"{arm} {page.speech.level(mean, metric.unit)}" for arm, mean in shown)
        said.append(page.words("accept_note", list=told))
    return said


def _effects(page: Page, metric: MetricResult) -> Table:
    words, speech = page.words, page.speech
    codes = (
        "c_arm", "c_difference", "c_range", "c_relative", "c_p", "c_p_adjusted", "c_chance", "c_loss",
        "c_method", "c_raw",
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for each in metric.effects:
        said = each.absolute
        raw = each.raw.absolute
        rows.append(
            (
                page.arm(each.variant),
                Cell(speech.effect(said.estimate if said else None, metric.unit, signed=True)),
                Cell(speech.range(said, metric.unit)),
                Cell(speech.relative_range(each.relative)),
                Cell(speech.p_value(each.p_value)),
                Cell(speech.p_value(each.p_value_adjusted)),
                Cell(speech.share(each.chance_to_beat)),
                Cell(speech.effect(each.expected_loss, metric.unit)),
                Cell(each.method, number=False),
                Cell(plots.brief(raw, metric.unit, speech.currency, speech.language) if raw else NOTHING),
            )
        )
    return Table(words("effects_table"), tuple(words(code) for code in codes), tuple(rows))
