"""Which pictures a report has, and each one's specification: what page, notebook and exported report draw alike.

A picture has a name, stable within a report: `effects-METRIC`, `split-ARM`, `course-ARM`, `exposures`,
`novelty-ARM`, `segments-ARM`, `waterfall-ARM`, `dots-ARM`; ARM is the variant's place in the plan.
"""

from typing import Final

from offerlab.reporting import figures
from offerlab.reporting.charts import NARROW, WIDE, Look, Row, Spec, effect_rows, size_of_rows
from offerlab.reporting.earnings import dots, waterfall, waterfall_size
from offerlab.reporting.report import Effect, Interval, MetricResult, Money, Novelty, Report, Unit
from offerlab.reporting.timelines import course, exposures, since_exposure, split
from offerlab.reporting.words import Language

COURSE_HEIGHT: Final = 260
EXPOSURES_HEIGHT: Final = 220
SPLIT_HEIGHT: Final = 130
DOTS_HEIGHT: Final = 190
NOVELTY_HEIGHT: Final = 200
_HEIGHTS: Final = {
    "course": COURSE_HEIGHT,
    "exposures": EXPOSURES_HEIGHT,
    "split": SPLIT_HEIGHT,
    "dots": DOTS_HEIGHT,
    "novelty": NOVELTY_HEIGHT,
}
FEWEST_DAYS: Final = 2
"""A course over time needs at least this many days to be a picture."""

_TO: Final = {"en": "to", "ko": "~"}


def names(report: Report) -> list[str]:
    """Names of all pictures that this report can be drawn with."""
    found = [f"effects-{metric.metric}" for metric in report.metrics if metric.effects]
    if len(report.days) >= FEWEST_DAYS:
        found += [f"split-{i}" for i, arm in enumerate(report.facts.variants) if _has_band(report, arm)]
        found += [f"course-{i}" for i, arm in enumerate(report.facts.variants) if _has_course(report, arm)]
        found.append("exposures")
    found += [f"novelty-{i}" for i, arm in enumerate(report.facts.variants) if _novelty(report, arm) is not None]
    found += [f"segments-{i}" for i, arm in enumerate(report.facts.variants) if segment_rows(report, arm, "en")]
    for i, arm in enumerate(report.facts.variants):
        money = next((each for each in report.money if each.variant == arm), None)
        if money is not None and money.steps:
            found.append(f"waterfall-{i}")
        if money is not None and money.quantiles:
            found.append(f"dots-{i}")
    return found


def size(report: Report, name: str, *, wide: bool) -> tuple[int, int]:
    """Width and height of a picture, pixels; known without drawing it.

    Raises:
        KeyError: the report has no such picture.
    """
    kind, _, rest = name.partition("-")
    width = WIDE if wide else NARROW
    if kind == "effects":
        return size_of_rows(len(_metric(report, rest).effects), wide=wide)
    if kind == "segments":
        return size_of_rows(len(segment_rows(report, _arm(report, rest), "en")), wide=wide)
    if kind == "waterfall":
        return waterfall_size(_money(report, rest), wide=wide)
    return width, _HEIGHTS[kind]


def plot(report: Report, name: str, look: Look) -> Spec:
    """The specification of a picture.

    Raises:
        KeyError: the report has no such picture.
    """
    if name not in names(report):
        raise KeyError(name)
    kind, _, rest = name.partition("-")
    if kind == "effects":
        return _effects(report, _metric(report, rest), look)
    if kind == "exposures":
        return exposures(report, look, EXPOSURES_HEIGHT)
    arm = _arm(report, rest)
    if kind == "segments":
        return _segments(report, arm, look)
    if kind == "waterfall":
        return waterfall(_money(report, rest), look, arm_index(report, arm))
    if kind == "dots":
        return dots(_money(report, rest), look, arm_index(report, arm), DOTS_HEIGHT)
    novelty = _novelty(report, arm)
    if kind == "novelty" and novelty is not None:
        return since_exposure(novelty, look, NOVELTY_HEIGHT, arm_index(report, arm))
    if kind == "split":
        return split(report, arm, look, SPLIT_HEIGHT, arm_index(report, arm))
    return course(report, arm, look, COURSE_HEIGHT, arm_index(report, arm), worth_having(report, report.metrics[0]))


def arm_index(report: Report, variant: str) -> int:
    """0 for control, else the treatment's number in order of the plan from 1: what gives colour and shape."""
    if variant == report.facts.control:
        return 0
    treatments = [each for each in report.facts.variants if each != report.facts.control]
    return treatments.index(variant) + 1 if variant in treatments else 0


def worth_having(report: Report, metric: MetricResult) -> float | None:
    """The smallest gain worth having in the metric's unit, signed towards the good side."""
    reference = metric.effects[0].reference if metric.effects else None
    mean = next((arm.mean for arm in metric.arms if arm.variant == reference), None)
    if mean is None or mean == 0 or metric.kind == "roi":
        return None
    return report.facts.mde * abs(mean) * (1 if metric.better == "up" else -1)


def effect_row(effect: Effect, arm: int, label: str, unit: Unit, currency: str, language: Language) -> Row:
    """One effect as a row of a picture."""
    said = effect.absolute
    if said is None:
        why = effect.undetermined.reason if effect.undetermined else "other"
        return Row(arm=arm, label=label, note=_WHY.get(why, _WHY["other"])[language == "ko"])
    lower, upper = _ends(said)
    inner = [_ends(effect.inner[level]) for level in ("80", "50") if level in effect.inner]
    return Row(
        arm=arm,
        label=label,
        estimate=said.estimate,
        lower=lower,
        upper=upper,
        inner=tuple((a, b) for a, b in inner if a is not None and b is not None),
        text=brief(said, unit, currency, language),
    )


def brief(said: Interval, unit: Unit, currency: str, language: Language) -> str:
    """An effect with its range in a few characters: "+₩412 (₩90 to ₩740)"."""

    def ends(value: float | None, nothing: str) -> str:
        if value is None:
            return nothing
        text = figures.effect(value, unit, currency, language)
        return text.replace(" percentage points", "").replace("%p", "")

    estimate = figures.effect(said.estimate, unit, currency, language, signed=True).replace(" percentage points", " pp")
    if said.shape != "bounded":
        return f"{estimate} ({_OPEN[language == 'ko']})"
    lower, upper = ends(said.lower, "−∞"), ends(said.upper, "∞")
    return f"{estimate} ({lower} {_TO[language]} {upper})"


def segment_rows(report: Report, variant: str, language: Language) -> list[Row]:
    """The primary effect of one treatment in every segment that can be drawn."""
    rows: list[Row] = []
    if len(report.segments) < 2 or not report.metrics:  # noqa: PLR2004 - one segment is everybody
        return rows
    primary = report.metrics[0]
    for segment in report.segments:
        result = next((each for each in segment.metrics if each.metric == primary.metric), None)
        effect = next((each for each in result.effects if each.variant == variant), None) if result else None
        if segment.n is None or effect is None or effect.absolute is None:
            continue
        shrunk = segment.shrunk.get(variant)
        shown = shrunk or effect.absolute
        lower, upper = _ends(shown)
        rows.append(
            Row(
                arm=arm_index(report, variant),
                label=f"{segment.segment or _OUTSIDE[language == 'ko']} · {figures.count(segment.n, language)}",
                estimate=shown.estimate,
                lower=lower,
                upper=upper,
                raw=effect.absolute.estimate if shrunk else None,
                text=brief(shown, primary.unit, report.facts.currency, language),
            )
        )
    return rows


_OUTSIDE: Final = ("other customers", "그 밖의 고객")
_OPEN: Final = ("any size is possible", "어떤 크기도 가능")
_WHY: Final[dict[str, tuple[str, str]]] = {
    "too_few": ("Too few purchases to judge", "판단하기엔 구매가 적어요"),
    "no_units": ("Nobody exposed yet", "아직 노출 없음"),
    "one_unit": ("One customer only", "고객이 한 명뿐이에요"),
    "no_variance": ("All customers alike", "모든 값이 같아요"),
    "no_cost": ("Unit costs are missing", "상품 원가가 없어요"),
    "no_reference": ("No other arm to compare with", "비교할 안이 없어요"),
    "other": ("Can't be said yet", "아직 말할 수 없어요"),
}


def _effects(report: Report, metric: MetricResult, look: Look) -> Spec:
    rows = [
        effect_row(
            each, arm_index(report, each.variant), each.variant, metric.unit, report.facts.currency, look.language
        )
        for each in metric.effects
    ]
    base = next((arm.mean for arm in metric.arms if arm.variant == metric.effects[0].reference), None)
    limit = next((each.margin for each in metric.effects if each.margin is not None), None)
    worse = -1 if metric.better == "up" else 1
    return effect_rows(
        rows,
        look=look,
        unit=metric.unit,
        worth=worth_having(report, metric) if metric.role == "primary" else None,
        base=base if any(each.relative for each in metric.effects) else None,
        bad_from=None if limit is None or metric.role != "guardrail" else worse * abs(limit),
    )


def _segments(report: Report, variant: str, look: Look) -> Spec:
    primary = report.metrics[0]
    whole = next((each.absolute for each in primary.effects if each.variant == variant), None)
    overall = None
    if whole is not None and whole.lower is not None and whole.upper is not None:
        overall = (whole.lower, whole.estimate, whole.upper)
    return effect_rows(segment_rows(report, variant, look.language), look=look, unit=primary.unit, overall=overall)


def _ends(said: Interval) -> tuple[float | None, float | None]:
    return (said.lower, said.upper) if said.shape == "bounded" else (None, None)


def _metric(report: Report, key: str) -> MetricResult:
    found = next((metric for metric in report.metrics if metric.metric == key), None)
    if found is None:
        raise KeyError(key)
    return found


def _arm(report: Report, place: str) -> str:
    if not place.isdecimal() or int(place) >= len(report.facts.variants):
        raise KeyError(place)
    return report.facts.variants[int(place)]


def _money(report: Report, place: str) -> Money:
    arm = _arm(report, place)
    found = next((each for each in report.money if each.variant == arm), None)
    if found is None:
        raise KeyError(place)
    return found


def _novelty(report: Report, arm: str) -> Novelty | None:
    return next((each for each in report.novelty if each.variant == arm and each.parts), None)


def _has_band(report: Report, arm: str) -> bool:
    return sum(arm in day.bands for day in report.days) >= FEWEST_DAYS


def _has_course(report: Report, arm: str) -> bool:
    told = [each for day in report.days for each in day.effects if each.variant == arm and each.estimate is not None]
    return len(told) >= FEWEST_DAYS
