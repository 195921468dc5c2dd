"""From a report to what the page says: sentences, tables and pictures, ready for the template. Decides nothing."""

from typing import Final

from markupsafe import Markup
from msgspec import Struct

from offerlab.dashboard import glyphs
from offerlab.dashboard.analyst import FactorsBlock, factors_block, voices
from offerlab.dashboard.blocks import MoneyBlock, SegmentsBlock, TimeBlock, money_block, segments_block, time_block
from offerlab.dashboard.metric_block import MetricBlock, metric_block
from offerlab.dashboard.page import Page, Picture, Tone
from offerlab.dashboard.speech import NOTHING, Speech
from offerlab.dashboard.tables import Cell, Table
from offerlab.domain.approval import Proposal
from offerlab.domain.experiment import EVERYONE, Experiment
from offerlab.domain.schedule import ON_TIME
from offerlab.reporting import plots
from offerlab.reporting.report import Check, Level, MetricResult, Report
from offerlab.reporting.sentences import check_sentence, reason_sentence, suppression
from offerlab.reporting.words import say

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
    page = Page(report, speech)
    stopped = any(check.level == "stop" for check in report.quality.checks)
    lines = sorted(report.quality.checks, key=lambda check: _ORDER[check.level])
    checks = tuple(_check(page, check) for check in lines)
    guardrails = [metric for metric in report.metrics if metric.role == "guardrail"]
    secondary = [metric for metric in report.metrics[1:] if metric.role != "guardrail"]
    return ReportView(
        band=_band(page, experiment),
        keys=_keys(page),
        hidden=stopped and not show,
        stopped=stopped,
        checks=tuple(line for line in checks if line.level != "pass"),
        passed=tuple(line for line in checks if line.level == "pass"),
        split=_split(page),
        splits=tuple(
            page.picture(name, "split_picture", v=report.facts.variants[int(name.rpartition("-")[2])])
            for name in page.names
            if name.startswith("split-")
        ),
        primary=metric_block(page, report.metrics[0]),
        guardrails=tuple(metric_block(page, metric) for metric in sorted(guardrails, key=_harm)),
        guardrails_line=_guardrails_line(page, guardrails),
        secondary=tuple(metric_block(page, metric) for metric in secondary),
        secondary_note=speech.words("many_note", k=_comparisons(secondary)) if _comparisons(secondary) > 1 else None,
        money=tuple(money_block(page, money) for money in report.money),
        segments=segments_block(page),
        time=time_block(page),
        declines=_declines(page),
        voices=voices(report, speech),
        factors=factors_block(report, speech),
        flow=_flow(page),
        reproduce=_reproduce(page),
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


def _band(page: Page, experiment: Experiment) -> Band:
    report, speech = page.report, page.speech
    reasons = [
        Reason(reason_sentence(each, report, speech.language), _proof(each.code)) for each in report.verdict.reasons
    ]
    lead, _, rest = reasons[0].text.partition(". ")
    chips = [chip_of(report.verdict.decision, speech)]
    if report.state != "running":
        chips.append(
            Chip(
                "maturing" if report.state == "maturing" else "keep_control",
                page.words(f"s_{report.state}"),
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
        next=tuple(_next(page, experiment)),
        facts=tuple(_facts(page)),
    )


def _next(page: Page, experiment: Experiment) -> list[str]:
    facts, speech, said = page.report.facts, page.speech, []
    last = experiment.changes[-1] if experiment.changes else None
    if experiment.status == "paused" and last is not None:
        said.append(page.words("paused_band", when=speech.moment(last.at)))
        said += halt_lines(experiment, speech)
    if experiment.status in ("stopped", "archived") and last is not None:
        ended = next((each for each in reversed(experiment.changes) if each.status == "stopped"), last)
        served = ended.serve.get(EVERYONE) or ", ".join(f"{arm} ({segment})" for segment, arm in ended.serve.items())
        code = "ended_serving" if served else "ended"
        said.append(page.words(code, when=speech.moment(ended.at), arm=served))
    if experiment.note and experiment.status != "running":
        note = page.words("on_time") if experiment.note == ON_TIME else experiment.note
        said.append(page.words("because", note=note))
    if experiment.status == "running" and facts.ends_at:
        said.append(page.words("next_end", date=speech.date(facts.ends_at), days=speech.distance(facts.ends_at)))
    if experiment.status == "running":
        said.append(page.words("look_at_end" if facts.sequential == "fixed" else "look_freely"))
    return said


def _facts(page: Page) -> list[str]:
    facts, speech, words = page.report.facts, page.speech, page.words
    said: list[str] = []
    if facts.day is not None:
        planned = facts.days_planned
        code = "day_n" if not planned else "day_of" if facts.day <= planned else "day_past"
        said.append(words(code, n=facts.day, N=planned))
    said.append(words("one_customer" if facts.customers == 1 else "n_customers", n=speech.count(facts.customers)))
    first = facts.first_exposure_at
    said.append(words("first_exposure", date=speech.date(first)) if first else words("nobody_exposed"))
    said.append(words("numbers_of", time=speech.moment(page.report.as_of)))
    final = page.report.maturity.final_at
    if final and page.report.state != "final":
        said.append(words("refunds_until", date=speech.date(final)))
    elif final:
        said.append(words("final_since", date=speech.date(final)))
    return said


def _keys(page: Page) -> tuple[Key, ...]:
    return tuple(
        Key(glyphs.arm(plots.arm_index(page.report, arm)), arm, arm == page.report.facts.control)
        for arm in page.report.facts.variants
    )


def _check(page: Page, check: Check) -> CheckLine:
    asks = check.level in ("look", "stop") or check.code == "maturing"  # too early to judge is nobody's fault
    advice = page.words.maybe(f"do_{check.code}") if asks else None
    text = check_sentence(check, page.speech.language)
    return CheckLine(check.level, page.words(f"m_{check.level}"), text, advice)


def _split(page: Page) -> Table:
    words, speech = page.words, page.speech
    rows = tuple(
        (
            page.arm(arm.variant),
            Cell(speech.count(arm.observed)),
            Cell(speech.count(arm.expected)),
            Cell(_signed(arm.observed - arm.expected, speech)),
        )
        for arm in page.report.quality.srm.arms
    )
    head = (words("c_arm"), words("c_observed"), words("c_expected"), words("c_difference"))
    return Table(words("split_caption"), head, rows)


def _guardrails_line(page: Page, metrics: list[MetricResult]) -> str:
    fine = sum(bool(each.effects) and all(effect.limit == "within" for effect in each.effects) for each in metrics)
    return page.words("guardrails_sum", ok=fine, n=len(metrics))


def _declines(page: Page) -> Table | None:
    if not page.report.declines:
        return None
    words = page.words
    rows = tuple(
        (page.arm(each.variant), Cell(each.reason, number=False), Cell(page.speech.count(each.n)))
        for each in sorted(
            page.report.declines, key=lambda each: (page.report.facts.variants.index(each.variant), -each.n)
        )
    )
    return Table(words("b_declines"), (words("c_arm"), words("c_reason"), words("c_n")), rows)


def _flow(page: Page) -> Table:
    funnel, words, speech = page.report.funnel, page.words, page.speech
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
    lines += [(words("f_partial_bundle", v=each.variant), each.n) for each in funnel.partial_bundles]
    if funnel.other_currency:
        lines.append((words("f_other_currency"), funnel.other_currency))
    if funnel.rejected:
        lines.append((words("f_rejected"), funnel.rejected))
    rows = tuple((Cell(text, number=False), Cell(speech.count(n))) for text, n in lines)
    return Table(words("b_flow"), (words("c_step"), words("c_n")), rows)


def _reproduce(page: Page) -> tuple[tuple[str, str], ...]:
    made, words = page.report.reproduce, page.words
    return (
        (words("r_command"), made.command),
        (words("r_as_of"), made.as_of),
        (words("r_engine"), f"{made.engine} {made.version}"),
        (words("r_ruleset"), NOTHING if made.ruleset_version is None else str(made.ruleset_version)),
        (words("r_plan"), made.plan_hash),
        (words("r_moments"), made.moments_hash),
    )


def _proof(code: str) -> str:
    return _PROOF.get(code, "primary")


def _signed(value: float, speech: Speech) -> str:
    text = speech.count(abs(value))
    return f"+{text}" if round(value) > 0 else f"−{text}" if round(value) < 0 else text
