"""What an exported report says below its metrics: segments, course, factors, money, looks, outlook, losses, declines.

A section is a heading, sentences and one table, in the reader's language; Markdown and HTML write the same sections.
Rejected: leaving these blocks to JSON and the dashboard: whoever was sent the file then never learns that an effect
fades, or that the plan was read eleven times.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from offerlab.reporting import figures
from offerlab.reporting.cells import EVEN_SLICE
from offerlab.reporting.report import FactorChoice, Interval, Report, Unit
from offerlab.reporting.sentences import suppression
from offerlab.reporting.words import Language

Pair = tuple[str, str]


class Section(Struct, frozen=True, kw_only=True):
    """One block: `rows` under `heads`, each as long; either may be empty, as may the sentences.

    `pictures` are the kinds that belong here, where a form can hold pictures (`plots.names`).
    """

    title: str
    sentences: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    pictures: tuple[str, ...] = ()


def sections(report: Report, language: Language) -> tuple[Section, ...]:
    """Every block that has something to say, in the report's order."""
    made = (_segments, _course, _factors, _money, _outlook, _looks, _losses, _declines)
    return tuple(found for make in made for found in make(report, _Speech(report, language)))


class _Speech(Struct, frozen=True):
    """Figures and words of one report in one language."""

    report: Report
    language: Language

    def __call__(self, pair: Pair, **values: str) -> str:
        return pair[self.language == "ko"].format_map(values)

    def heads(self, *pairs: Pair) -> tuple[str, ...]:
        return tuple(self(pair) for pair in pairs)

    def count(self, value: float) -> str:
        return figures.count(value, self.language)

    def share(self, value: float) -> str:
        return figures.relative(value, self.language)

    def chance(self, value: float) -> str:
        """A chance in whole per cent, never none and never all."""
        if 0.01 <= value <= 0.99:  # noqa: PLR2004 - what a whole per cent can tell
            return self.share(round(value, 2))
        return f"< {self.share(0.01)}" if value < 0.5 else f"> {self.share(0.99)}"  # noqa: PLR2004 - nearer to none

    def factor(self, name: str) -> str:
        """A factor's name; joined ones part by part."""
        return " & ".join(self(_FACTORS.get(part, (part, part))) for part in name.split(" & "))

    def effect(self, value: float, unit: Unit, *, signed: bool = True) -> str:
        return figures.effect(value, unit, self.report.facts.currency, self.language, signed=signed)

    def range(self, said: Interval | None, unit: Unit) -> str:
        """A point with its range, or a dash."""
        if said is None:
            return "–"
        if said.shape != "bounded":
            return f"{self.effect(said.estimate, unit)} ({self(_ANY)})"
        if said.lower is None and said.upper is None:  # a sum of which no range is known
            return self.effect(said.estimate, unit)
        currency, language = self.report.facts.currency, self.language
        low = figures.end(said.lower, unit, currency, language)
        high = figures.end(said.upper, unit, currency, language, last=True)
        return f"{self.effect(said.estimate, unit)} ({low} … {high})"


def _segments(report: Report, say: _Speech) -> Iterator[Section]:
    is_slice = report.segment_by == EVEN_SLICE
    if len(report.segments) < (1 if is_slice else 2):  # one segment is everybody
        return
    primary = report.metrics[0]
    rows: list[tuple[str, ...]] = []
    for segment in report.segments:
        name = say(_EVEN_SLICE) if is_slice else segment.segment or say(("none", "없음"))
        found = next((metric for metric in segment.metrics if metric.metric == primary.metric), None)
        if segment.n is None or found is None:
            rows.append((name, say(("under 10", "10명 미만")), "–", "–", "–"))
            continue
        rows += [
            (
                name,
                say.count(segment.n),
                effect.variant,
                say.range(effect.absolute, primary.unit),
                say.range(segment.shrunk.get(effect.variant), primary.unit),
            )
            for effect in found.effects
        ]
    yield Section(
        title=say(_EVEN_SLICE if is_slice else ("Segments", "고객층")),
        sentences=(say(_EVEN_SLICE_READ),) if is_slice else tuple(_differing(report, say)),
        heads=say.heads(
            ("segment", "고객층"),
            ("customers", "고객"),
            ("arm", "안"),
            ("difference", "차이"),
            ("drawn towards all segments", "전체를 반영한 차이"),
        ),
        rows=tuple(rows),
        pictures=("segments",),
    )


def _differing(report: Report, say: _Speech) -> Iterator[str]:
    for each in report.heterogeneity:
        if each.p_value_adjusted is None:
            continue
        if each.p_value_adjusted < report.facts.alpha:
            yield say(_DIFFER, v=each.variant, p=figures.p_value(each.p_value_adjusted))
        else:
            yield say(_ALIKE, v=each.variant)
        for group in each.merge:
            yield say(("Could be merged: {list}.", "합쳐도 되는 고객층: {list}."), list=", ".join(group))


def _course(report: Report, say: _Speech) -> Iterator[Section]:
    told = [each for each in report.novelty if each.parts]
    if not told:
        return
    unit: Unit = "money" if told[0].value == "revenue" else "count"
    rows = tuple(
        (
            f"{part.day:g}",
            *(
                say.range(Interval(each.parts[i].estimate, each.parts[i].lower, each.parts[i].upper), unit)
                for each in told
            ),
        )
        for i, part in enumerate(told[0].parts)
    )
    yield Section(
        title=say(("Effect per customer and day, by days since exposure", "노출 뒤 지난 날별 하루 고객당 효과")),
        sentences=tuple(say(_COURSES[each.course], v=each.variant) for each in told if each.course in _COURSES),
        heads=(say(("days since exposure", "노출 뒤 지난 날")), *(each.variant for each in told)),
        rows=rows,
        pictures=("novelty",),
    )


def _factors(report: Report, say: _Speech) -> Iterator[Section]:
    found = report.factors
    if found is None or len(found.factors) < 2:  # noqa: PLR2004 - one factor is what the metric already says
        return
    unit = report.metrics[0].unit
    rows = tuple(
        (
            " × ".join(say.factor(name) for name in term.factors),
            " × ".join(each.levels),
            say.range(each.effect, unit),
            figures.p_value(each.p_value_adjusted),
        )
        for term in found.terms
        for each in term.contrasts
    )
    sentences = tuple(_choice(each, say) for each in found.choices)
    if found.undetermined is not None:
        sentences = (say(_UNTOLD.get(found.undetermined.reason, _UNTOLD["other"])),)
    yield Section(
        title=say(("Which timing, which product?", "어떤 시점, 어떤 상품이 좋을까요?")),
        sentences=sentences,
        heads=say.heads(("factor", "항목"), ("level", "수준"), ("difference", "차이"), ("p, adjusted", "보정한 p")),
        rows=rows,
    )


def _choice(choice: FactorChoice, say: _Speech) -> str:
    names = ", ".join(say.factor(name) for name in choice.factors)
    if not choice.levels or choice.chance is None:
        return say(_OPEN, f=names)
    return say(_BEST, f=names, level=", ".join(choice.levels), p=say.chance(choice.chance))


def _money(report: Report, say: _Speech) -> Iterator[Section]:
    rows = tuple(
        (money.variant, say(_STEPS[step.code]), say.range(Interval(step.estimate, step.lower, step.upper), "money"))
        for money in report.money
        for step in money.steps
    )
    sentences = [
        say(("{v}: return on its cost {roi}.", "{v} 안의 비용 대비 이익은 {roi}이에요."), v=money.variant, roi=told)
        for money in report.money
        if money.roi is not None and (told := say.range(money.roi, "factor"))
    ]
    if rows:
        yield Section(
            title=say(("Money, per 1,000 customers", "고객 1,000명당 손익")),
            sentences=tuple(sentences),
            heads=say.heads(("arm", "안"), ("step", "항목"), ("against control", "대조군과 차이")),
            rows=rows,
            pictures=("waterfall", "dots"),
        )


def _outlook(report: Report, say: _Speech) -> Iterator[Section]:
    if not report.projections:
        return
    unit = report.metrics[0].unit
    rows = tuple(
        (
            each.variant,
            say.count(each.planned),
            say.effect(each.smallest_gain, unit, signed=False),
            "–" if each.chance_as_planned is None else say.chance(each.chance_as_planned),
            say.chance(each.chance_as_seen),
        )
        for each in report.projections
    )
    yield Section(
        title=say(("How it will probably end", "예상 결과")),
        heads=say.heads(
            ("arm", "안"),
            ("customers at the end", "끝날 때 고객"),
            ("smallest gain it can show", "확인할 수 있는 최소 차이"),
            ("chance to show a gain, if the planned one is true", "계획한 효과일 때 확인될 확률"),
            ("if today's is", "지금 값이 맞을 때"),
        ),
        rows=rows,
    )


def _looks(report: Report, say: _Speech) -> Iterator[Section]:
    found = report.looking
    if found is None or found.note == "nobody":
        return
    sentences = [
        say(_READ, n=say.count(found.looks), early=say.count(found.early)),
        say(_NOTES[found.note]),
        say(_FALSE_ALARM, p=say.share(found.false_alarm), alpha=say.share(report.facts.alpha)),
    ]
    if found.planned is not None and found.fraction is not None:
        sentences.insert(1, say(_IN, n=say.count(found.planned), share=say.share(found.fraction)))
    yield Section(title=say(("Looks so far", "지금까지 읽은 횟수")), sentences=tuple(sentences))


_PART_OF_BUNDLE: Final = (
    "bought some of the bundle's items, not all in one order: not accepted",
    "묶음 상품 중 일부만 구매, 수락에 넣지 않음",
)


def _losses(report: Report, say: _Speech) -> Iterator[Section]:
    funnel = report.funnel
    rows = [
        (say(("Exposed", "노출된 고객")), say.count(funnel.exposed)),
        (say(("Met more than one arm, left out", "두 가지 이상의 안을 보아 제외")), say.count(funnel.crossovers)),
        (say(("Analysed", "분석한 고객")), say.count(funnel.analysed)),
        (say(("Shown the offer", "제안을 본 고객")), say.count(funnel.shown)),
    ]
    rows += [
        (f"{each.variant}: {suppression(each.reason, say.language)}", say.count(each.n)) for each in funnel.suppressed
    ]
    rows += [(f"{each.variant}: {say(_PART_OF_BUNDLE)}", say.count(each.n)) for each in funnel.partial_bundles]
    yield Section(
        title=say(("Who is counted", "누구를 셌나요")),
        heads=say.heads(("customers", "고객"), ("number", "수")),
        rows=tuple(rows),
    )


def _declines(report: Report, say: _Speech) -> Iterator[Section]:
    if report.declines or report.voices:
        yield Section(
            title=say(("Why people declined", "거절한 이유")),
            sentences=tuple(f"{each.variant}: {each.text}" for each in report.voices),
            heads=say.heads(("arm", "안"), ("reason", "이유"), ("number", "수")) if report.declines else (),
            rows=tuple((each.variant, each.reason, say.count(each.n)) for each in report.declines),
        )


_EVEN_SLICE: Final = ("Evenly split slice", "고르게 나눈 고객")
_EVEN_SLICE_READ: Final = (
    "These customers were split evenly throughout, so their plain averages can be compared, unweighted.",
    "이 고객들은 처음부터 끝까지 고르게 나눴어요. 그래서 가중치 없이 평균을 그대로 비교할 수 있어요.",
)

_DIFFER: Final = (
    "{v}: the segments differ by more than chance explains (p {p}).",
    "{v} 안은 고객층마다 효과가 달라요. 우연으로 보기 어려운 차이예요(p {p}).",
)
_ALIKE: Final = (
    "{v}: no sign that segments differ. Read the overall effect.",
    "{v} 안은 고객층별 차이가 보이지 않아요. 전체 효과를 보세요.",
)
_COURSES: Final[dict[str | None, Pair]] = {
    "fading": ("{v}: the effect fades with the days.", "{v} 안의 효과는 날이 갈수록 줄어요."),
    "growing": ("{v}: the effect grows with the days.", "{v} 안의 효과는 날이 갈수록 커져요."),
    "steady": ("{v}: no sign that the effect fades or grows.", "{v} 안의 효과가 줄거나 커진다는 근거는 없어요."),
}
_BEST: Final = (
    "Best {f}: {level} (the best with a chance of {p}).",
    "{f} 항목은 {level} 쪽이 가장 좋아요(가장 좋을 확률 {p}).",
)
_OPEN: Final = (
    "{f}: not enough data to tell the levels apart.",
    "{f} 항목은 아직 데이터가 부족해서 가릴 수 없어요.",
)
_FACTORS: Final[dict[str, Pair]] = {
    "timing": ("timing", "시점"),
    "product": ("product", "상품"),
    "slots": ("number of products", "상품 수"),
    "match": ("match", "추천 방식"),
    "discount": ("discount", "할인"),
    "channel": ("channel", "채널"),
    "kind": ("kind of offer", "제안 종류"),
    "message": ("message", "문구"),
}
_UNTOLD: Final[dict[str, Pair]] = {
    "no_reference": (
        "Not every combination of what the arms differ in is an arm: they can't be told apart by factor.",
        "모든 조합이 있지 않아서 항목별로 나눠 볼 수 없어요.",
    ),
    "other": (
        "Not enough yet to read timing, product, message and discount apart.",
        "시점, 상품, 문구, 할인을 나눠 보기에는 아직 부족해요.",
    ),
}
_STEPS: Final[dict[str, Pair]] = {
    "offered_items": ("Offered items", "제안한 상품"),
    "rest_of_basket": ("Rest of the basket", "나머지 상품"),
    "refunds": ("Refunds", "환불"),
    "cost_of_goods": ("Cost of goods", "상품 원가"),
    "discount_extra": ("Discount on extra units", "추가 판매분 할인"),
    "discount_anyway": ("Discount on what would have sold anyway", "원래 살 고객에게 준 할인"),
    "delivery": ("Delivery and channel", "발송과 채널 비용"),
    "net": ("Net profit", "순이익"),
}
_ANY: Final = ("any size is possible", "어떤 크기도 가능")
_READ: Final = (
    "Readings: {n}, of these before the planned end: {early}.",
    "지금까지 {n}번 읽었고, 그중 {early}번은 계획한 끝 전이에요.",
)
_IN: Final = ("{share} of the {n} planned customers are in.", "계획한 고객 {n}명 가운데 {share} 모였어요.")
_FALSE_ALARM: Final = (
    "The chance that any of these readings shows an effect where there is none: {p} (planned {alpha}).",
    "효과가 없는데도 있다고 나올 확률은 {p}예요(계획 {alpha}).",
)
_NOTES: Final[dict[str, Pair]] = {
    "on_plan": (
        "Look as often as you like: the ranges allow for it, to the planned end.",
        "언제든 다시 봐도 괜찮아요. 계획한 끝까지 여러 번 보는 것까지 계산에 넣었어요.",
    ),
    "plan_complete": ("The planned end is reached.", "계획한 끝에 이르렀어요."),
    "overrun": (
        "More customers came than planned: wider ranges that hold for ever speak from here.",
        "계획보다 고객이 많아져서, 이제부터 계속 봐도 되는 더 넓은 범위를 써요.",
    ),
    "no_plan": (
        "No end was planned: ranges that hold for ever speak.",
        "계획한 끝이 없어서 계속 봐도 되는 범위를 써요.",
    ),
    "open_ended": (
        "Look as often as you like: the ranges hold at every look.",
        "언제든 다시 봐도 괜찮아요. 여러 번 보는 것까지 계산에 넣었어요.",
    ),
    "before_end": (
        "Read these ranges once, at the planned end: they do not allow for looking earlier.",
        "이 범위는 계획한 끝에 한 번만 보세요. 먼저 보는 것은 계산에 넣지 않았어요.",
    ),
    "fixed_end": ("Read once, at the planned end.", "계획한 끝에 한 번 읽었어요."),
}
