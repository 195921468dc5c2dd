"""Money, segments and the course of time on the page."""

from markupsafe import Markup
from msgspec import Struct

from offerlab.dashboard import glyphs
from offerlab.dashboard.analyst import novelty
from offerlab.dashboard.page import Page, Picture
from offerlab.dashboard.speech import NOTHING
from offerlab.dashboard.tables import Cell, Table
from offerlab.reporting import plots
from offerlab.reporting.cells import EVEN_SLICE
from offerlab.reporting.earnings import STEPS
from offerlab.reporting.report import DayEffect, Money, SegmentResult
from offerlab.reporting.sentences import extra_orders_sentence


class MoneyBlock(Struct, frozen=True, kw_only=True):
    """What one treatment earns."""

    variant: str
    mark: Markup
    sentences: tuple[str, ...]
    waterfall: Picture | None
    dots: Picture | None
    dots_caption: str | None
    table: Table | None
    attributed: str | None


def money_block(page: Page, money: Money) -> MoneyBlock:
    """What an arm earned and cost."""
    words, speech = page.words, page.speech
    place = page.report.facts.variants.index(money.variant)
    net = next((step for step in money.steps if step.code == "net"), None)
    said: list[str] = []
    if net is not None:
        said.append(
            words(
                "money_headline", v=money.variant, abs=speech.effect(net.estimate, "money", signed=True),
                lo=speech.end(net.lower, "money"), hi=speech.end(net.upper, "money", last=True),
            )
        )  # fmt: skip
    if money.undetermined is not None:
        why = words.maybe(f"u_{money.undetermined.reason}") if money.undetermined.reason != "too_few" else None
        told = why or words("u_other", detail=money.undetermined.detail)
        said.append(words("sentence_none", v=money.variant, why=told))
    if money.roi is not None:
        said.append(
            words(
                "money_roi" if money.roi.shape == "bounded" else "money_roi_any",
                abs=speech.effect(money.roi.estimate, "factor"),
                lo=speech.end(money.roi.lower, "factor"),
                hi=speech.end(money.roi.upper, "factor", last=True),
            )
        )
    orders = extra_orders_sentence(money, speech.language)
    said += [] if orders is None else [orders]
    rises = sum(value > 0 for value in money.quantiles)
    korean = speech.language == "ko"
    rows = tuple(
        (
            Cell(STEPS.get(step.code, (step.code, step.code))[korean], number=False),
            Cell(speech.effect(step.estimate, "money", signed=True)),
            Cell(
                NOTHING
                if step.lower is None
                else f"{speech.end(step.lower, 'money')} … {speech.end(step.upper, 'money', last=True)}"
            ),
        )
        for step in money.steps
    )
    waterfall, dots = f"waterfall-{place}", f"dots-{place}"
    return MoneyBlock(
        variant=money.variant,
        mark=glyphs.arm(plots.arm_index(page.report, money.variant)),
        sentences=tuple(said),
        waterfall=page.picture(waterfall, "money_base", currency=money.currency) if waterfall in page.names else None,
        dots=page.picture(dots, "money_dots", n=rises) if dots in page.names else None,
        dots_caption=None,
        table=Table(words("waterfall"), (words("c_step"), words("c_amount"), words("c_range")), rows) if rows else None,
        attributed=None
        if money.attributed_revenue is None
        else words("attributed_note", abs=speech.effect(money.attributed_revenue, "money")),
    )


class SegmentsBlock(Struct, frozen=True, kw_only=True):
    """Effects by segment, or of the slice that stays even."""

    title: str
    sentences: tuple[str, ...]
    pictures: tuple[Picture, ...]
    table: Table


def segments_block(page: Page) -> SegmentsBlock | None:
    """What segments say; None where there is one."""
    report, words, speech = page.report, page.words, page.speech
    is_slice = report.segment_by == EVEN_SLICE
    if len(report.segments) < (1 if is_slice else 2):  # one segment is everybody
        return None
    said = [words("even_slice_read")] if is_slice else []
    for each in report.heterogeneity:
        p = each.p_value_adjusted if each.p_value_adjusted is not None else each.p_value
        code = "segments_unknown" if p is None else "segments_differ" if p < report.facts.alpha else "segments_alike"
        said.append(words(code, v=each.variant, p=speech.p_value(p)))
        merged = [" + ".join(group) for group in each.merge]
        if merged:
            said.append(words("merge", list="; ".join(merged)))
    pictures = tuple(
        page.picture(
            name,
            "picture_segments",
            v=report.facts.variants[int(name.rpartition("-")[2])],
            c=report.facts.control or report.facts.variants[0],
        )
        for name in page.names
        if name.startswith("segments-")
    )
    treatments = [each.variant for each in report.metrics[0].effects]
    head = (words("c_segment"), words("c_n"), *treatments)
    rows = tuple(_segment_row(page, segment, treatments) for segment in report.segments)
    title = words("even_slice" if is_slice else "b_segments")
    return SegmentsBlock(title=title, sentences=tuple(said), pictures=pictures, table=Table(title, head, rows))


def _segment_row(page: Page, segment: SegmentResult, treatments: list[str]) -> tuple[Cell, ...]:
    speech, primary = page.speech, page.report.metrics[0]
    key = segment.segment or page.words("outside_segments")
    name = Cell(page.words("even_slice") if page.report.segment_by == EVEN_SLICE else key, number=False)
    if segment.n is None:
        return (name, Cell(page.words("under_ten")), *(Cell(NOTHING) for _ in treatments))
    result = next((each for each in segment.metrics if each.metric == primary.metric), None)
    cells: list[Cell] = []
    for variant in treatments:
        effect = next((each for each in result.effects if each.variant == variant), None) if result else None
        shown = segment.shrunk.get(variant) or (effect.absolute if effect else None)
        text = (
            plots.brief(shown, primary.unit, speech.currency, speech.language) if shown else page.words("too_few_short")
        )
        cells.append(Cell(text))
    return (name, Cell(speech.count(segment.n)), *cells)


class TimeBlock(Struct, frozen=True, kw_only=True):
    """The course of effect and exposures."""

    notes: tuple[str, ...]
    courses: tuple[Picture, ...]
    exposures: Picture | None
    table: Table
    fading: tuple[Picture, ...] = ()
    novelty: Table | None = None


def time_block(page: Page) -> TimeBlock | None:
    """What the days say; None before the first."""
    report, words, speech = page.report, page.words, page.speech
    if not report.days:
        return None
    control = report.facts.control or report.facts.variants[0]
    courses = tuple(
        page.picture(
            name,
            "picture_course",
            v=(arm := report.facts.variants[int(name.rpartition("-")[2])]),
            c=control,
            finding=_finding(page, arm),
        )
        for name in page.names
        if name.startswith("course-")
    )
    notes = [] if courses else [words("course_wait")]
    if courses and any(day.open for day in report.days):
        notes.append(words("dots_open"))
    treatments = [each.variant for each in report.metrics[0].effects]
    head = (
        words("c_day"),
        *(f"{words('c_exposed')}: {arm}" for arm in report.facts.variants),
        *(f"{words('c_cumulative')}: {arm}" for arm in treatments),
    )
    rows: list[tuple[Cell, ...]] = []
    for day in report.days:
        exposed = {each.variant: each.exposed for each in day.arms}
        effects = {each.variant: each for each in day.effects}
        rows.append(
            (
                Cell(day.day, number=False),
                *(Cell(speech.count(exposed.get(arm, 0))) for arm in report.facts.variants),
                *(Cell(_so_far(page, effects.get(arm))) for arm in treatments),
            )
        )
    return TimeBlock(
        notes=tuple(notes),
        courses=courses,
        exposures=page.picture("exposures", "picture_exposures") if "exposures" in page.names else None,
        table=Table(words("b_time"), head, tuple(rows)),
        fading=tuple(
            page.picture(f"novelty-{place}", f"novelty_{each.course or 'steady'}", v=each.variant, c=control)
            for each in report.novelty
            if f"novelty-{(place := report.facts.variants.index(each.variant))}" in page.names
        ),
        novelty=novelty(report, speech),
    )


def _so_far(page: Page, effect: DayEffect | None) -> str:
    if effect is None or effect.estimate is None:
        return page.words("too_few_short")
    unit, speech = page.report.metrics[0].unit, page.speech
    estimate = speech.effect(effect.estimate, unit, signed=True)
    return f"{estimate} ({speech.end(effect.lower, unit)} … {speech.end(effect.upper, unit, last=True)})"


def _finding(page: Page, variant: str) -> str:
    """Since when the band has kept to one side of zero, to the last day."""
    bands = [
        (day.day, each.lower, each.upper)
        for day in page.report.days
        for each in day.effects
        if each.variant == variant and each.lower is not None and each.upper is not None
    ]
    for side, code in ((1, "course_above"), (-1, "course_below")):
        since = None
        for day, lower, upper in reversed(bands):
            if lower * side <= 0 or upper * side <= 0:
                break
            since = day
        if since is not None:
            return page.words(code, day=page.speech.date(f"{since}T00:00:00Z"))
    return page.words("course_open")
