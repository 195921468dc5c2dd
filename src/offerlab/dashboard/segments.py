"""Segments: who they are, what they spend, whom another segment takes first, and how long a test in one would take."""

import asyncio
from typing import Any, Final
from urllib.parse import quote

from litestar import Response, get, post
from litestar.params import FromPath
from msgspec import Struct

from offerlab.dashboard.doors import PAGE
from offerlab.dashboard.forms import form_of
from offerlab.dashboard.frame import AnyRequest, Visit, check_form, enter, html, see_other
from offerlab.dashboard.speech import NOTHING, Speech
from offerlab.domain.segment import All, Condition, Rule, Segment
from offerlab.errors import InvalidInput, NotFound
from offerlab.workflows import defining
from offerlab.workflows.audience import Audience, Overlap, Preview, Trial, preview, suggested

EFFECTS: Final = (0.02, 0.05, 0.1, 0.2)
DEEPEST: Final = 3
_MONEY: Final = frozenset(("spend_total", "aov"))
"""Attributes that are amounts in the project's currency."""


class SegmentRow(Struct, frozen=True, kw_only=True):
    """One segment of the list."""

    name: str
    href: str
    rule: str
    size: str
    share: str
    left: str
    aov: str
    frequency: str
    experiments: str


class PresetRow(Struct, frozen=True, kw_only=True):
    """A preset that may be taken over."""

    key: str
    name: str
    rule: str
    why: str
    available: bool
    href: str | None


class Fact(Struct, frozen=True):
    """A term and its value."""

    term: str
    value: str


class Choice(Struct, frozen=True):
    """An effect that a test might look for."""

    word: str
    href: str
    current: bool


@get("/segments", opt=PAGE)
async def segments(request: AnyRequest) -> Response[Any]:
    """The list, and the presets with the shop's own limits."""
    return await asyncio.to_thread(_list, request)


@get("/segments/{key:str}", opt=PAGE)
async def segment(request: AnyRequest, key: FromPath[str]) -> Response[Any]:
    """One segment before anything is launched."""
    return await asyncio.to_thread(_one, request, key)


@post("/segments/presets", opt=PAGE, status_code=303)
async def take_preset(request: AnyRequest) -> Response[Any]:
    """Take a preset over with the limit of this day."""
    form = await form_of(request)
    return await asyncio.to_thread(_take, request, form)


def _list(request: AnyRequest) -> Response[Any]:
    visit = enter(request)
    speech = _speech(visit)
    known = sorted(visit.snapshot.segments.values(), key=lambda one: (one.priority, one.key))
    audience: Audience = request.app.state.audience
    rows = [_row(visit, speech, one, _previewed(audience, visit, one)) for one in known]
    limits, found = suggested(audience, visit.runtime, visit.visitor.project_id)
    words = speech.words
    presets = [
        PresetRow(
            key=one.key,
            name=words(f"preset_{one.key}"),
            rule=words("too_few_buyers", n=speech.count(limits.buyers))
            if one.segment is None
            else sentence(one.segment.rule, speech),
            why=words(f"start_with_{one.kind}"),
            available=one.segment is not None and one.key not in visit.snapshot.segments,
            href=_href(one.key) if one.key in visit.snapshot.segments else None,
        )
        for one in found
    ]
    return html(request, "segments.html", visit=visit, rows=rows, presets=presets)


def _one(request: AnyRequest, key: str) -> Response[Any]:
    visit = enter(request)
    known = visit.snapshot.segments.get(key)
    if known is None:
        raise NotFound(f"no segment has the key {key!r}")
    speech = _speech(visit)
    mde = _effect(visit.query.get("mde"))
    found = _previewed(request.app.state.audience, visit, known, mde)
    return html(
        request,
        "segment.html",
        visit=visit,
        name=known.name or known.key,
        rule=sentence(known.rule, speech),
        facts=_facts(found, speech),
        few=found.withheld is not None,
        top=[Fact(one.name, _few(speech, one.customers)) for one in found.top_products],
        overlaps=[Fact(_name(visit, one.segment), _overlap(speech, one)) for one in found.overlaps],
        reach=[Fact(speech.words(f"channel_{name}"), _few(speech, n)) for name, n in sorted(found.reach.items())],
        trials=[Fact(speech.metric(one.metric), _told(one, speech)) for one in found.trials],
        effects=[
            Choice(speech.share(one), visit.url(mde=f"{one:g}"), abs(one - mde) < 1e-9)  # noqa: PLR2004 - the same share
            for one in EFFECTS
        ],
        as_of=speech.moment(found.as_of),
        used=[one.key for one in visit.snapshot.experiments.values() if key in one.segments],
    )


def _take(request: AnyRequest, form: dict[str, str]) -> Response[Any]:
    visit = enter(request)
    check_form(request, visit, form)
    _, found = suggested(request.app.state.audience, visit.runtime, visit.visitor.project_id)
    wanted = next((one for one in found if one.key == form.get("preset")), None)
    if wanted is None or wanted.segment is None:
        raise InvalidInput("there is no such preset for this shop", field="preset")
    defining.create_segment(visit.desk, wanted.segment)
    return see_other(f"{_href(wanted.key)}?done=preset")


def _previewed(audience: Audience, visit: Visit, one: Segment, mde: float = 0.05) -> Preview:
    return preview(audience, visit.runtime, visit.visitor.project_id, one, mde=mde)


def _speech(visit: Visit) -> Speech:
    return Speech(visit.language, visit.snapshot.project.currency, visit.runtime.now())


def _name(visit: Visit, key: str) -> str:
    """What people call a segment; a key that is gone stays a key."""
    known = visit.snapshot.segments.get(key)
    return key if known is None else known.name or key


def _href(key: str) -> str:
    return f"/segments/{quote(key, safe='')}"


def _effect(asked: str | None) -> float:
    try:
        found = float(asked or 0.05)
    except ValueError:
        return 0.05
    return found if 0.001 <= found <= 10 else 0.05  # noqa: PLR2004 - a thousandth to ten times


def _row(visit: Visit, speech: Speech, one: Segment, found: Preview) -> SegmentRow:
    used = sum(one.key in each.segments for each in visit.snapshot.experiments.values())
    return SegmentRow(
        name=one.name or one.key,
        href=_href(one.key),
        rule=sentence(one.rule, speech),
        size=speech.words("seg_under_ten") if found.withheld else speech.count(found.size),
        share=NOTHING if found.withheld else speech.share(found.share),
        left=NOTHING if found.withheld else _few(speech, found.left),
        aov=speech.level(found.aov, "money"),
        frequency=_number(found.orders_per_customer),
        experiments=speech.count(used),
    )


def _facts(found: Preview, speech: Speech) -> list[Fact]:
    words = speech.words
    if found.withheld:
        return [Fact(words("c_size"), words("seg_under_ten"))]
    of = words("of_customers", n=speech.count(found.size), all=speech.count(found.customers))
    return [
        Fact(words("c_size"), f"{of} ({speech.share(found.share)})"),
        Fact(words("c_left_over"), _few(speech, found.left)),
        Fact(words("c_buyers"), _few(speech, found.buyers)),
        Fact(words("c_aov"), speech.level(found.aov, "money")),
        Fact(words("c_frequency"), _number(found.orders_per_customer)),
        Fact(words("c_yearly"), _number(found.orders_per_year)),
        Fact(words("c_recency"), NOTHING if found.days_since_last_order is None else _days(found, speech)),
        Fact(words("c_per_day"), _number(found.per_day)),
    ]


def _overlap(speech: Speech, one: Overlap) -> str:
    if one.customers is None:
        return speech.words("under_ten")
    return speech.words("taken_first" if one.first else "left_here", n=speech.count(one.customers))


def _few(speech: Speech, customers: int | None) -> str:
    return speech.words("seg_under_ten") if customers is None else speech.count(customers)


def _days(found: Preview, speech: Speech) -> str:
    return speech.words("n_days", n=_number(found.days_since_last_order))


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.1f}"


def _told(trial: Trial, speech: Speech) -> str:
    """How long a test would take, or why nobody can say."""
    if trial.undetermined is not None:
        return speech.words(f"trial_{trial.undetermined}", n=speech.count(trial.customers))
    return speech.words(
        "trial_takes", w=trial.weeks or 0, n=speech.count(trial.customers), d=speech.count(trial.final_days)
    )


def sentence(rule: Rule, speech: Speech, depth: int = 1) -> str:
    """A rule as a person reads it; deeper than three levels it is only counted."""
    words = speech.words
    if isinstance(rule, Condition):
        return _condition(rule, speech)
    if not rule.children:
        return words("rule_everybody" if isinstance(rule, All) else "rule_nobody")
    if depth > DEEPEST:
        return words("rule_more", n=len(rule.children))
    joint = words("rule_and" if isinstance(rule, All) else "rule_or")
    parts = [sentence(child, speech, depth + 1) for child in rule.children]
    told = f" {joint} ".join(parts)
    return f"({told})" if depth > 1 and len(parts) > 1 else told


def _condition(rule: Condition, speech: Speech) -> str:
    kind, colon, of = rule.attribute.partition(":")  # a category or product stands behind the colon
    name = speech.words.maybe(f"attr_{kind}{colon}", n=of) or rule.attribute
    if rule.op == "exists":
        return speech.words("rule_known" if rule.value else "rule_unknown", a=name)
    values = rule.value if isinstance(rule.value, tuple) else (rule.value,)
    told = ", ".join(_plain(each, rule.attribute, speech) for each in values)
    return speech.words(f"rule_{rule.op}", a=name, v=told)


def _plain(value: object, attribute: str, speech: Speech) -> str:
    if attribute in _MONEY and isinstance(value, int | float):
        return speech.level(value, "money")
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return f"{value:,.10g}" if isinstance(value, int | float) else str(value)


HANDLERS: Final[list[Any]] = [segments, take_preset, segment]
