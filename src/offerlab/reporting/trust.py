"""May the numbers be used? Each check says what it saw, worst first; one `stop` vetoes the verdict."""

from collections.abc import Iterator, Sequence
from math import nan
from typing import Final

from offerlab.domain.clock import DAY, SECOND, iso
from offerlab.domain.experiment import Experiment
from offerlab.reporting.cells import CROSSOVER, Cells
from offerlab.reporting.comparing import mean_outcome
from offerlab.reporting.mismatch import SplitReading, read_split
from offerlab.reporting.report import Check, Level, Looking, MetricResult, Novelty, Quality
from offerlab.reporting.sentences import check_sentence
from offerlab.reporting.split import Strata
from offerlab.stats.balance import check_balance
from offerlab.stats.effect import Effect
from offerlab.stats.srm import WARNING

HOUR: Final = 3_600 * SECOND
SILENT_HOURS: Final = 6
USUAL: Final = 10
"""Exposures that a silent stretch would usually have had, before it is called silent."""

BALANCE_ALPHA: Final = 0.05
"""Only its p-value is used: the level of the ranges behind it plays no part."""

_RANK: Final[dict[Level, int]] = {"stop": 0, "look": 1, "wait": 2, "pass": 3}


def judge_quality(
    experiment: Experiment,
    cells: Cells,
    metrics: Sequence[MetricResult],
    *,
    currency: str,
    as_of: int,
    running: bool,
    more: Sequence[Check] = (),
) -> Quality:
    """All checks of one report.

    Args:
        experiment: as it stands.
        cells: with crossovers.
        metrics: as reported (the weight of heavy orders is theirs).
        currency: of the project.
        as_of: microseconds UTC.
        running: whether exposures are expected now.
        more: checks of the course of time (`time_checks`).
    """
    split = read_split(experiment, cells.analysed)
    crossed = cells.where(lambda cell: cell.variant == CROSSOVER).n
    checks = [
        _split(split),
        *_strata(split),
        _silence(cells, as_of, running=running),
        _crossovers(crossed, cells.n),
        *_suppressed(experiment, cells.analysed),
        _weights(experiment, as_of),
        _rejected(cells),
        _windows(experiment, cells.analysed),
        *_costs(cells.analysed),
        _skew(metrics),
        *_balance(experiment, cells.analysed),
        *more,
        *_oddities(cells.analysed, currency),
    ]
    if experiment.control is None:
        checks.append(_check("no_control", level="look"))
    checks.sort(key=lambda check: _RANK[check.level])
    return Quality(srm=split.srm, crossovers=crossed, checks=tuple(checks))


def _check(code: str, *, level: Level, sentence: str | None = None, **numbers: float | str) -> Check:
    ok = level in {"pass", "wait"}
    words = sentence or (f"{code}_ok" if level == "pass" else code)
    draft = Check(code=code, ok=ok, detail="", level=level, sentence=words, numbers=numbers)
    return Check(code=code, ok=ok, detail=check_sentence(draft, "en"), level=level, sentence=words, numbers=numbers)


def _split(split: SplitReading) -> Check:
    whole, srm = split.whole, split.srm
    if not srm.ok:
        worst = max(srm.arms, key=lambda arm: abs(arm.observed - arm.expected) / max(arm.expected, 1.0))
        return _check("srm", level="stop", v=worst.variant, n=worst.observed, e=worst.expected)
    if whole.state == "not_yet":
        return _check("srm", level="wait", sentence="srm_wait")
    if whole.state == "look" and whole.p_value is not None:
        return _check("srm", level="look", sentence="srm_look", p=whole.p_value)
    return _check("srm", level="pass")


def _strata(split: SplitReading) -> Iterator[Check]:
    """Each period and segment by itself: a break in one can hide in the whole."""
    if split.broken is not None:
        name = split.broken.segment or "-"
        p = split.broken.p_value_adjusted or 0.0
        yield _check("srm_strata", level="stop", seg=name, epoch=split.broken.epoch, p=p)
    elif split.srm.strata:
        yield _check("srm_strata", level="pass", N=len(split.srm.strata))


def time_checks(looking: Looking, novelty: Sequence[Novelty]) -> tuple[Check, ...]:
    """How often the results were read, and whether effects last."""
    return *_looks(looking), *_novelty(novelty)


def _looks(looking: Looking) -> Iterator[Check]:
    """What reading has cost where the plan does not allow for it."""
    if not looking.looks:
        return
    if looking.level != "pass":
        yield _check("looks", level="look", n=looking.looks, early=looking.early, share=looking.false_alarm)
    elif looking.note == "overrun":
        yield _check("looks", level="look", sentence="looks_overrun", N=looking.planned or 0)
    else:
        yield _check("looks", level="pass", n=looking.looks)


def _silence(cells: Cells, as_of: int, *, running: bool) -> Check:
    first = min((cell.first_at for cell in cells.cells), default=as_of)
    last = max((cell.last_at for cell in cells.cells), default=as_of)
    silent = as_of - last
    usual = cells.n / (last - first) * silent if last > first else 0.0
    if running and silent >= SILENT_HOURS * HOUR and usual >= USUAL:
        return _check("silence", level="stop", h=silent // HOUR, t=usual)
    return _check("silence", level="pass")


def _crossovers(crossed: int, everyone: int) -> Check:
    if not crossed:
        return _check("crossovers", level="pass")
    share = crossed / everyone
    return _check("crossovers", level="look", n=crossed, share=share)


def _suppressed(experiment: Experiment, cells: Cells) -> Iterator[Check]:
    by_arm: dict[int, dict[str, int]] = {}
    for (variant, reason), n in cells.notes.suppressed.items():
        by_arm.setdefault(variant, {})[reason] = n
    if not by_arm:
        yield _check("suppressed", level="pass")
    for variant, counts in sorted(by_arm.items()):
        reasons = ", ".join(
            f"{reason} {n}" for reason, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        )
        exposed = sum(cell.n for cell in cells.cells if cell.variant == variant)
        yield _check(
            "suppressed",
            level="look",
            v=experiment.variants[variant].key,
            n=sum(counts.values()),
            N=exposed,
            reasons=reasons,
        )


def _weights(experiment: Experiment, as_of: int) -> Check:
    changed = [epoch.started_at for epoch in experiment.epochs[1:] if epoch.started_at <= as_of]
    return _check("weights", level="look", at=iso(changed[-1])) if changed else _check("weights", level="pass")


def _rejected(cells: Cells) -> Check:
    n = cells.notes.rejected or 0
    return _check("rejected", level="look", n=n) if n else _check("rejected", level="pass")


def _windows(experiment: Experiment, cells: Cells) -> Check:
    still = cells.total("refunds_open")
    if not still:
        return _check("maturing", level="pass")
    days = experiment.window_days + experiment.refund_days
    until = max(cell.last_at for cell in cells.cells) + days * DAY
    return _check("maturing", level="wait", at=iso(until), n=cells.n - still, N=cells.n)


def _costs(cells: Cells) -> Iterator[Check]:
    if cells.has("uncosted"):
        missing, lines = cells.total("uncosted"), cells.total("lines")
        yield _check("costs", level="look", n=missing, N=lines) if missing else _check("costs", level="pass")


def _balance(experiment: Experiment, cells: Cells) -> Iterator[Check]:
    """The arms compared on what was known before: an A/A test of the past."""
    past = [name for name in ("pre_revenue", "pre_orders") if cells.has(name, name, name)]
    if not past or not cells.total("had_orders"):
        return
    strata, reference = Strata(experiment, cells), experiment.control or 0
    outcomes = [
        mean_outcome(name, strata, reference, i, BALANCE_ALPHA)
        for name in past
        for i in range(len(experiment.variants))
        if i != reference
    ]
    p_values = [each.p_value if isinstance(each, Effect) else nan for each in outcomes]
    said = check_balance(p_values)
    made = [p for p in said.p_values_adjusted if p is not None]
    if not made:
        return
    level: Level = "pass" if said.state in {"pass", "not_yet"} else "look"
    yield _check("balance", level=level, p=min(made))


def _novelty(courses: Sequence[Novelty]) -> Iterator[Check]:
    """Whether an effect fades (or grows) with the days since exposure, corrected for the number of treatments."""
    told = [each for each in courses if each.p_value is not None and each.slope is not None]
    if not told:
        return
    worst = min(told, key=lambda each: each.p_value or 0.0)
    p = min(len(told) * (worst.p_value or 0.0), 1.0)
    if p >= WARNING:
        yield _check("novelty", level="pass")
    elif worst.course != "steady":
        yield _check("novelty", level="look", sentence=f"novelty_{worst.course}", v=worst.variant, p=p)


def _skew(metrics: Sequence[MetricResult]) -> Check:
    heavy = any(caution.code == "skewed" for metric in metrics for each in metric.effects for caution in each.cautions)
    return _check("skew", level="look" if heavy else "pass")


def _oddities(cells: Cells, currency: str) -> Iterator[Check]:
    foreign = cells.total("other_currency")
    yield _check("other_currency", level="look" if foreign else "pass", n=foreign, currency=currency)
    for code in ("over_refunds", "foreign_refunds", "no_lines"):
        if cells.total(code):
            yield _check(code, level="look", n=cells.total(code))
