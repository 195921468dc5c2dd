"""From a report to what the page says: sentences, tables and pictures, ready for the template. Decides nothing."""

from typing import Final, Literal

from markupsafe import Markup
from msgspec import Struct

from offerlab.dashboard import glyphs
from offerlab.dashboard.analyst import FactorsBlock, beliefs, factors_block, novelty, projected, voices
from offerlab.dashboard.speech import NOTHING, Speech
from offerlab.dashboard.tables import Cell, Table
from offerlab.domain.approval import Proposal
from offerlab.domain.experiment import EVERYONE, Experiment
from offerlab.domain.schedule import ON_TIME
from offerlab.reporting import plots
from offerlab.reporting.earnings import STEPS
from offerlab.reporting.report import Check, DayEffect, Effect, Level, MetricResult, Money, Report, SegmentResult
from offerlab.reporting.sentences import check_sentence, extra_orders_sentence, reason_sentence, suppression
from offerlab.reporting.words import CAUTIONS, say

Tone = Literal["go", "rest", "look", "halt"]

TONES: Final[dict[str, Tone]] = {"ship": "go", "investigate": "halt", "paused": "look"}
_PROOF: Final = {
    "srm": "trust",
    "srm_strata": "trust",
    "silence": "trust",
    "maturing": "trust",
    "keep_guardrail": "guardrails",
    "guardrail_unclear": "guardrails",
    "ship_segment": "segments",
}
_ORDER: Final[dict[Level, int]] = {"stop": 0, "look": 1, "wait": 2, "pass": 3}


class Chip(Struct, frozen=True):
    """A shape and a word."""

    code: str
    word: str
    tone: Tone


class Reason(Struct, frozen=True):
    """A sentence and the block that proves it."""

    text: str
    proof: str


class Band(Struct, frozen=True, kw_only=True):
    """What the page answers."""

    chips: tuple[Chip, ...]
    lead: str
    rest: str
    reasons: tuple[Reason, ...]
    next: tuple[str, ...]
    facts: tuple[str, ...]


class Picture(Struct, frozen=True):
    """A picture's name, sizes (wide, narrow) and what it shows in words."""

    name: str
    wide: tuple[int, int]
    narrow: tuple[int, int]
    caption: str


class CheckLine(Struct, frozen=True):
    """One line of "Can we trust it?"."""

    level: Level
    mark: str
    text: str
    advice: str | None


class Key(Struct, frozen=True):
    """An arm with its shape and colour."""

    mark: Markup
    name: str
    is_control: bool


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


class SegmentsBlock(Struct, frozen=True, kw_only=True):
    """Effects by segment."""

    sentences: tuple[str, ...]
    pictures: tuple[Picture, ...]
    table: Table


class TimeBlock(Struct, frozen=True, kw_only=True):
    """The course of effect and exposures."""

    notes: tuple[str, ...]
    courses: tuple[Picture, ...]
    exposures: Picture | None
    table: Table
    novelty: Table | None = None


class ReportView(Struct, frozen=True, kw_only=True):
    """Everything that the report page says."""

    band: Band
    keys: tuple[Key, ...]
    hidden: bool
    stopped: bool
    checks: tuple[CheckLine, ...]
    passed: tuple[CheckLine, ...]
    split: Table
    splits: tuple[Picture, ...]
    primary: MetricBlock
    guardrails: tuple[MetricBlock, ...]
    guardrails_line: str
    secondary: tuple[MetricBlock, ...]
    secondary_note: str | None
    money: tuple[MoneyBlock, ...]
    segments: SegmentsBlock | None
    time: TimeBlock | None
    declines: Table | None
    voices: Table | None
    factors: FactorsBlock | None
    flow: Table
    reproduce: tuple[tuple[str, str], ...]
    as_of: str


def report_view(report: Report, experiment: Experiment, speech: Speech, *, show: bool) -> ReportView:
    """What the page says.

    Args:
        report: as built; its `as_of` stands in every picture's address.
        experiment: as it stands.
        speech: the reader's language, the project's currency, and today.
        show: whether effects are wanted although a check forbids them.
    """
    page = _Page(report, speech)
    stopped = any(check.level == "stop" for check in report.quality.checks)
    lines = sorted(report.quality.checks, key=lambda check: _ORDER[check.level])
    checks = tuple(page.check(check) for check in lines)
    guardrails = [metric for metric in report.metrics if metric.role == "guardrail"]
    secondary = [metric for metric in report.metrics[1:] if metric.role != "guardrail"]
    return ReportView(
        band=page.band(experiment),
        keys=page.keys(),
        hidden=stopped and not show,
        stopped=stopped,
        checks=tuple(line for line in checks if line.level != "pass"),
        passed=tuple(line for line in checks if line.level == "pass"),
        split=page.split(),
        splits=tuple(
            page.picture(name, "split_picture", v=report.facts.variants[int(name.rpartition("-")[2])])
            for name in page.names
            if name.startswith("split-")
        ),
        primary=page.metric(report.metrics[0]),
        guardrails=tuple(page.metric(metric) for metric in sorted(guardrails, key=_harm)),
        guardrails_line=page.guardrails_line(guardrails),
        secondary=tuple(page.metric(metric) for metric in secondary),
        secondary_note=speech.words("many_note", k=_comparisons(secondary)) if _comparisons(secondary) > 1 else None,
        money=tuple(page.money(money) for money in report.money),
        segments=page.segments(),
        time=page.time(),
        declines=page.declines(),
        voices=voices(report, speech),
        factors=factors_block(report, speech),
        flow=page.flow(),
        reproduce=page.reproduce(),
        as_of=report.as_of,
    )


def chip_of(code: str, speech: Speech) -> Chip:
    """The chip of a verdict or a state."""
    known = {"ship", "keep_control", "keep_running", "investigate"}
    word = say("verdict", code, speech.language) if code in known else speech.words(f"s_{code}")
    return Chip(code, word, TONES.get(code, "rest"))


def status_chip(experiment: Experiment, report: Report | None, speech: Speech) -> Chip:
    """The chip of where an experiment stands."""
    if experiment.status == "stopped" and report is not None and report.state in ("maturing", "final"):
        return Chip(
            "maturing" if report.state == "maturing" else "keep_control", speech.words(f"s_{report.state}"), "rest"
        )
    code = {"running": "keep_running", "stopped": "keep_control"}.get(experiment.status, experiment.status)
    return Chip(code, speech.words(f"s_{experiment.status}"), TONES.get(experiment.status, "rest"))


def _comparisons(metrics: list[MetricResult]) -> int:
    return sum(len(metric.effects) for metric in metrics)


def _harm(metric: MetricResult) -> int:
    order = {"past": 0, "cant_tell": 1, None: 1, "within": 2}
    return min((order[each.limit] for each in metric.effects), default=1)


class _Page:
    """One report in one language."""

    def __init__(self, report: Report, speech: Speech) -> None:
        self.report = report
        self.speech = speech
        self.words = speech.words
        self.names = plots.names(report)

    def band(self, experiment: Experiment) -> Band:
        report, speech = self.report, self.speech
        reasons = [
            Reason(reason_sentence(each, report, speech.language), _proof(each.code)) for each in report.verdict.reasons
        ]
        lead, _, rest = reasons[0].text.partition(". ")
        chips = [chip_of(report.verdict.decision, speech)]
        if report.state != "running":
            chips.append(
                Chip(
                    "maturing" if report.state == "maturing" else "keep_control",
                    self.words(f"s_{report.state}"),
                    "rest",
                )
            )
        if experiment.status == "paused":
            chips.append(chip_of("paused", speech))
        return Band(
            chips=tuple(chips),
            lead=f"{lead}." if rest else lead,
            rest=rest,
            reasons=tuple(reasons[1:4]),
            next=tuple(self._next(experiment)),
            facts=tuple(self._facts()),
        )

    def _next(self, experiment: Experiment) -> list[str]:
        facts, speech, said = self.report.facts, self.speech, []
        last = experiment.changes[-1] if experiment.changes else None
        if experiment.status == "paused" and last is not None:
            said.append(self.words("paused_band", when=speech.moment(last.at)))
            said += halt_lines(experiment, speech)
        if experiment.status in ("stopped", "archived") and last is not None:
            ended = next((each for each in reversed(experiment.changes) if each.status == "stopped"), last)
            served = ended.serve.get(EVERYONE) or ", ".join(
                f"{arm} ({segment})" for segment, arm in ended.serve.items()
            )
            code = "ended_serving" if served else "ended"
            said.append(self.words(code, when=speech.moment(ended.at), arm=served))
        if experiment.note and experiment.status != "running":
            note = self.words("on_time") if experiment.note == ON_TIME else experiment.note
            said.append(self.words("because", note=note))
        if experiment.status == "running" and facts.ends_at:
            said.append(self.words("next_end", date=speech.date(facts.ends_at), days=speech.distance(facts.ends_at)))
        if experiment.status == "running":
            said.append(self.words("look_at_end" if facts.sequential == "fixed" else "look_freely"))
        return said

    def _facts(self) -> list[str]:
        facts, speech, words = self.report.facts, self.speech, self.words
        said: list[str] = []
        if facts.day is not None:
            planned = facts.days_planned
            code = "day_n" if not planned else "day_of" if facts.day <= planned else "day_past"
            said.append(words(code, n=facts.day, N=planned))
        said.append(words("one_customer" if facts.customers == 1 else "n_customers", n=speech.count(facts.customers)))
        first = facts.first_exposure_at
        said.append(words("first_exposure", date=speech.date(first)) if first else words("nobody_exposed"))
        said.append(words("numbers_of", time=speech.moment(self.report.as_of)))
        final = self.report.maturity.final_at
        if final and self.report.state != "final":
            said.append(words("refunds_until", date=speech.date(final)))
        elif final:
            said.append(words("final_since", date=speech.date(final)))
        return said

    def keys(self) -> tuple[Key, ...]:
        return tuple(
            Key(glyphs.arm(plots.arm_index(self.report, arm)), arm, arm == self.report.facts.control)
            for arm in self.report.facts.variants
        )

    def check(self, check: Check) -> CheckLine:
        advice = self.words.maybe(f"do_{check.code}") if check.level != "pass" else None
        text = check_sentence(check, self.speech.language)
        return CheckLine(check.level, self.words(f"m_{check.level}"), text, advice)

    def picture(self, name: str, caption: str, **values: object) -> Picture:
        return Picture(
            name,
            plots.size(self.report, name, wide=True),
            plots.size(self.report, name, wide=False),
            self.words(caption, **values),
        )

    def split(self) -> Table:
        words, speech = self.words, self.speech
        rows = tuple(
            (
                self._arm(arm.variant),
                Cell(speech.count(arm.observed)),
                Cell(speech.count(arm.expected)),
                Cell(_signed(arm.observed - arm.expected, speech)),
            )
            for arm in self.report.quality.srm.arms
        )
        head = (words("c_arm"), words("c_observed"), words("c_expected"), words("c_difference"))
        return Table(words("split_caption"), head, rows)

    def metric(self, metric: MetricResult) -> MetricBlock:
        words = self.words
        picture = None
        if f"effects-{metric.metric}" in self.names:
            reference = metric.effects[0].reference
            picture = self.picture(
                f"effects-{metric.metric}", "picture_effects", c=reference, m=self.speech.metric(metric.metric)
            )
        sentences = [self.sentence(metric, effect) for effect in metric.effects]
        if metric.undetermined is not None:
            sentences = [self.why(metric.undetermined.reason, metric.undetermined.detail, metric)]
        if metric.unit == "share" and metric.role == "primary":
            sentences += [text for effect in metric.effects if (text := self._of_thousand(metric, effect))]
        label, tone = self._limit(metric)
        return MetricBlock(
            key=metric.metric,
            name=metric.name or self.speech.metric(metric.metric),
            sentences=tuple(sentences),
            notes=(*self._notes(metric), *(projected(self.report, self.speech) if metric.role == "primary" else ())),
            label=label,
            tone=tone,
            picture=picture,
            arms=Table(
                words("arms_table"),
                (words("c_arm"), words("c_n"), words("c_mean")),
                tuple(
                    (
                        self._arm(arm.variant),
                        Cell(self.speech.count(arm.n)),
                        Cell(self.speech.level(arm.mean, metric.unit)),
                    )
                    for arm in metric.arms
                ),
            ),
            effects=self._effects(metric) if metric.effects else None,
            beliefs=beliefs(metric, self.speech),
        )

    def sentence(self, metric: MetricResult, effect: Effect) -> str:
        """An effect in words: absolute, range, relative."""
        speech, said = self.speech, effect.absolute
        if said is None:
            why = effect.undetermined
            told = self.why(why.reason, why.detail, metric, effect) if why else NOTHING
            return self.words("sentence_none", v=effect.variant, why=told)
        sure = said.shape == "bounded" and ((said.lower or 0) > 0 or (said.upper or 0) < 0)
        code = "sentence_open" if not sure else "sentence_up" if said.estimate > 0 else "sentence_down"
        mean = next((arm.mean for arm in metric.arms if arm.variant == effect.reference), None)
        return self.words(
            code,
            v=effect.variant,
            c=effect.reference,
            abs=speech.effect(said.estimate, metric.unit, signed=not sure, size=sure),
            lo=speech.end(said.lower, metric.unit),
            hi=speech.end(said.upper, metric.unit, last=True),
            rel=speech.relative(effect.relative),
            mean=speech.level(mean, metric.unit),
        )

    def why(self, reason: str, detail: str, metric: MetricResult, effect: Effect | None = None) -> str:
        """Why nothing can be said."""
        arms = {arm.variant: arm for arm in metric.arms}
        if reason == "too_few":
            asked = [effect.variant, effect.reference] if effect else list(arms)
            counts = ", ".join(f"{key} {self.speech.count(arms[key].converted)}" for key in asked if key in arms)
            return self.words("u_too_few", counts=counts)
        return self.words.maybe(f"u_{reason}") or self.words("u_other", detail=detail)

    def _of_thousand(self, metric: MetricResult, effect: Effect) -> str | None:
        means = {arm.variant: arm.mean for arm in metric.arms}
        a, b = means.get(effect.reference), means.get(effect.variant)
        did = self.words.maybe(f"did_{metric.metric}")
        if a is None or b is None or did is None:
            return None
        return self.words(
            "of_1000",
            did=did,
            c=effect.reference,
            v=effect.variant,
            a=self.speech.count(1000 * a),
            b=self.speech.count(1000 * b),
        )

    def _limit(self, metric: MetricResult) -> tuple[str | None, Tone | None]:
        if metric.role != "guardrail":
            return None, None
        limits = {each.limit for each in metric.effects}
        code = "past" if "past" in limits else "within" if limits == {"within"} else "cant_tell"
        tone: dict[str, Tone] = {"past": "halt", "within": "rest", "cant_tell": "look"}
        margin = next((each.margin for each in metric.effects if each.margin is not None), None)
        word = self.words(code)
        if margin is None:
            return word, tone[code]
        return f"{word} ({self.words('margin_of', m=self.speech.effect(margin, metric.unit, size=True))})", tone[code]

    def guardrails_line(self, metrics: list[MetricResult]) -> str:
        fine = sum(bool(each.effects) and all(effect.limit == "within" for effect in each.effects) for each in metrics)
        return self.words("guardrails_sum", ok=fine, n=len(metrics))

    def _notes(self, metric: MetricResult) -> list[str]:
        language = self.speech.language
        codes = dict.fromkeys(each.code for effect in metric.effects for each in effect.cautions)
        if not metric.causal:
            codes = {"selected": None, **codes}
        said = [say("caution", code, language) for code in codes if code in CAUTIONS]
        shown = [(arm.variant, arm.mean_shown) for arm in metric.arms if arm.mean_shown is not None]
        if shown:
            told = ", ".join(f"{arm} {self.speech.level(mean, metric.unit)}" for arm, mean in shown)
            said.append(self.words("accept_note", list=told))
        return said

    def _effects(self, metric: MetricResult) -> Table:
        words, speech = self.words, self.speech
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
                    self._arm(each.variant),
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

    def money(self, money: Money) -> MoneyBlock:
        words, speech = self.words, self.speech
        place = self.report.facts.variants.index(money.variant)
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
                    "money_roi",
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
            mark=glyphs.arm(plots.arm_index(self.report, money.variant)),
            sentences=tuple(said),
            waterfall=self.picture(waterfall, "money_base", currency=money.currency)
            if waterfall in self.names
            else None,
            dots=self.picture(dots, "money_dots", n=rises) if dots in self.names else None,
            dots_caption=None,
            table=Table(words("waterfall"), (words("c_step"), words("c_amount"), words("c_range")), rows)
            if rows
            else None,
            attributed=None
            if money.attributed_revenue is None
            else words("attributed_note", abs=speech.effect(money.attributed_revenue, "money")),
        )

    def segments(self) -> SegmentsBlock | None:
        report, words, speech = self.report, self.words, self.speech
        if len(report.segments) < 2:  # noqa: PLR2004 - one segment is everybody
            return None
        said: list[str] = []
        for each in report.heterogeneity:
            p = each.p_value_adjusted if each.p_value_adjusted is not None else each.p_value
            code = (
                "segments_unknown" if p is None else "segments_differ" if p < report.facts.alpha else "segments_alike"
            )
            said.append(words(code, v=each.variant, p=speech.p_value(p)))
            merged = [" + ".join(group) for group in each.merge]
            if merged:
                said.append(words("merge", list="; ".join(merged)))
        pictures = tuple(
            self.picture(
                name,
                "picture_segments",
                v=report.facts.variants[int(name.rpartition("-")[2])],
                c=report.facts.control or report.facts.variants[0],
            )
            for name in self.names
            if name.startswith("segments-")
        )
        treatments = [each.variant for each in report.metrics[0].effects]
        head = (words("c_segment"), words("c_n"), *treatments)
        rows = tuple(self._segment_row(segment, treatments) for segment in report.segments)
        return SegmentsBlock(sentences=tuple(said), pictures=pictures, table=Table(words("b_segments"), head, rows))

    def _segment_row(self, segment: SegmentResult, treatments: list[str]) -> tuple[Cell, ...]:
        speech, primary = self.speech, self.report.metrics[0]
        name = Cell(segment.segment or self.words("outside_segments"), number=False)
        if segment.n is None:
            return (name, Cell(self.words("under_ten")), *(Cell(NOTHING) for _ in treatments))
        result = next((each for each in segment.metrics if each.metric == primary.metric), None)
        cells: list[Cell] = []
        for variant in treatments:
            effect = next((each for each in result.effects if each.variant == variant), None) if result else None
            shown = segment.shrunk.get(variant) or (effect.absolute if effect else None)
            text = (
                plots.brief(shown, primary.unit, speech.currency, speech.language)
                if shown
                else self.words("too_few_short")
            )
            cells.append(Cell(text))
        return (name, Cell(speech.count(segment.n)), *cells)

    def time(self) -> TimeBlock | None:
        report, words, speech = self.report, self.words, self.speech
        if not report.days:
            return None
        control = report.facts.control or report.facts.variants[0]
        courses = tuple(
            self.picture(
                name,
                "picture_course",
                v=(arm := report.facts.variants[int(name.rpartition("-")[2])]),
                c=control,
                finding=self._finding(arm),
            )
            for name in self.names
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
                    *(Cell(self._so_far(effects.get(arm))) for arm in treatments),
                )
            )
        return TimeBlock(
            notes=tuple(notes),
            courses=courses,
            exposures=self.picture("exposures", "picture_exposures") if "exposures" in self.names else None,
            table=Table(words("b_time"), head, tuple(rows)),
            novelty=novelty(report, speech),
        )

    def _so_far(self, effect: DayEffect | None) -> str:
        if effect is None or effect.estimate is None:
            return self.words("too_few_short")
        unit, speech = self.report.metrics[0].unit, self.speech
        estimate = speech.effect(effect.estimate, unit, signed=True)
        return f"{estimate} ({speech.end(effect.lower, unit)} … {speech.end(effect.upper, unit, last=True)})"

    def _finding(self, variant: str) -> str:
        """Since when the band has kept to one side of zero, to the last day."""
        bands = [
            (day.day, each.lower, each.upper)
            for day in self.report.days
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
                return self.words(code, day=self.speech.date(f"{since}T00:00:00Z"))
        return self.words("course_open")

    def declines(self) -> Table | None:
        if not self.report.declines:
            return None
        words = self.words
        rows = tuple(
            (self._arm(each.variant), Cell(each.reason, number=False), Cell(self.speech.count(each.n)))
            for each in sorted(
                self.report.declines, key=lambda each: (self.report.facts.variants.index(each.variant), -each.n)
            )
        )
        return Table(words("b_declines"), (words("c_arm"), words("c_reason"), words("c_n")), rows)

    def flow(self) -> Table:
        funnel, words, speech = self.report.funnel, self.words, self.speech
        lines: list[tuple[str, int]] = [
            (words("f_exposures"), funnel.exposures),
            (words("f_exposed"), funnel.exposed),
            (words("f_crossovers"), funnel.crossovers),
            (words("f_analysed"), funnel.analysed),
            (words("f_shown"), funnel.shown),
        ]
        lines += [
            (words("f_not_shown", reason=suppression(each.reason, speech.language), v=each.variant), each.n)
            for each in funnel.suppressed
        ]
        if funnel.other_currency:
            lines.append((words("f_other_currency"), funnel.other_currency))
        if funnel.rejected:
            lines.append((words("f_rejected"), funnel.rejected))
        rows = tuple((Cell(text, number=False), Cell(speech.count(n))) for text, n in lines)
        return Table(words("b_flow"), (words("c_step"), words("c_n")), rows)

    def reproduce(self) -> tuple[tuple[str, str], ...]:
        made, words = self.report.reproduce, self.words
        return (
            (words("r_command"), made.command),
            (words("r_as_of"), made.as_of),
            (words("r_engine"), f"{made.engine} {made.version}"),
            (words("r_ruleset"), NOTHING if made.ruleset_version is None else str(made.ruleset_version)),
            (words("r_plan"), made.plan_hash),
            (words("r_moments"), made.moments_hash),
        )

    def _arm(self, variant: str) -> Cell:
        return Cell(variant, number=False, mark=glyphs.arm(plots.arm_index(self.report, variant)))


def proposal_line(proposal: Proposal, speech: Speech) -> str:
    """What waits for another person's approval, who wants it and since when."""
    return speech.words(f"waits_{proposal.action}", who=proposal.by, when=speech.moment(proposal.at))


def halt_lines(experiment: Experiment, speech: Speech) -> list[str]:
    """Why it paused by itself, a sentence for each guardrail that nobody has acknowledged."""
    return [
        speech.words(
            "halted",
            g=speech.metric(one.metric),
            v=one.variant,
            c=one.reference,
            x=speech.effect(one.estimate, experiment.metrics.definition(one.metric).unit, size=True),
            n=speech.count(one.customers),
        )
        for one in experiment.unread_halts
    ]


def _proof(code: str) -> str:
    return _PROOF.get(code, "primary")


def _signed(value: float, speech: Speech) -> str:
    text = speech.count(abs(value))
    return f"+{text}" if round(value) > 0 else f"−{text}" if round(value) < 0 else text
