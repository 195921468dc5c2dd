"""Reports made by hand, one for each state that a page must show."""

from datetime import date, timedelta
from typing import Any

from msgspec.structs import replace

from offerlab.domain.metric import METRICS, Role
from offerlab.reporting.report import (
    Arm,
    ArmChance,
    ArmShare,
    Bayes,
    Belief,
    Capped,
    Check,
    CoursePart,
    Day,
    DayArm,
    DayEffect,
    DeclineCount,
    Effect,
    Estimate,
    ExtraOrders,
    FactorChoice,
    FactorContrast,
    Factors,
    FactorTerm,
    Facts,
    Funnel,
    Heterogeneity,
    Interval,
    Maturity,
    MetricResult,
    Money,
    MoneyStep,
    Novelty,
    Projection,
    Quality,
    Reason,
    Report,
    Reproduce,
    SegmentResult,
    Srm,
    SuppressedCount,
    Undetermined,
    Verdict,
    Voice,
)
from offerlab.reporting.sentences import check_sentence

ARMS = ("control", "cross-sell", "bundle-10")
NOON = "2026-10-12T14:05:00Z"


def interval(estimate: float, half: float) -> Interval:
    """A symmetric range."""
    return Interval(estimate, estimate - half, estimate + half)


def effect(variant: str, estimate: float, half: float, base: float, **more: Any) -> Effect:
    """An effect whose ranges, p-values and lift agree."""
    said, lift = interval(estimate, half), interval(estimate / base, half / base)
    p = 0.0004 if abs(estimate) > half else 0.41
    told: dict[str, Any] = {
        "variant": variant,
        "reference": "control",
        "absolute": said,
        "relative": lift,
        "p_value": p,
        "p_value_adjusted": min(1.0, 2 * p),
        "chance_to_beat": 0.991 if estimate > half else 0.62,
        "expected_loss": base * 0.0004,
        "method": "welch_hall",
        "adjusted": False,
        "raw": Estimate(said, lift, p),
        "undetermined": None,
        "inner": {"80": interval(estimate, half * 0.6), "50": interval(estimate, half * 0.32)},
    }
    return Effect(**(told | more))


def bayes() -> Bayes:
    """A lift of 8 % shrunk to 7 %."""
    flat = Belief(lift=interval(0.081, 0.063), chance_to_beat=0.994, expected_loss=2.0, expected_gain=414.0)
    informed = replace(flat, lift=interval(0.073, 0.059), chance_to_beat=0.992)
    return Bayes(prior_sd=0.1, prior_source="fallback", prior_experiments=3, informed=informed, flat=flat)


def capped() -> Capped:
    """A little less once giants are cut."""
    return Capped(
        limit=91_000.0,
        touched=41,
        absolute=interval(371, 280),
        relative=interval(0.074, 0.056),
        p_value=0.009,
        adjusted=True,
    )


def result(metric: str, role: Role, base: float, effects: tuple[Effect, ...], **more: Any) -> MetricResult:
    """A metric of about 3,000 customers an arm."""
    known = METRICS[metric]
    means = {each.variant: base + (each.absolute.estimate if each.absolute else 0.0) for each in effects}
    arms = tuple(
        Arm(arm, 6_031 + 17 * i, means.get(arm, base), base * 0.02, 812 + 31 * i) for i, arm in enumerate(ARMS)
    )
    return MetricResult(
        metric=metric,
        role=role,
        kind=known.kind,
        arms=arms,
        effects=effects,
        unit=known.unit,
        better=known.better,
        causal=known.causal,
        **more,
    )


def check(code: str, level: Any, sentence: str | None = None, **numbers: float | str) -> Check:
    """A trust check with its English sentence."""
    words = sentence or (f"{code}_ok" if level == "pass" else code)
    draft = Check(code=code, ok=level in ("pass", "wait"), detail="", level=level, sentence=words, numbers=numbers)
    return replace(draft, detail=check_sentence(draft, "en"))


def days(count: int = 21) -> tuple[Day, ...]:
    """A course that settles at +412 and −52."""
    first = date(2026, 9, 21)
    made: list[Day] = []
    so_far: dict[str, int] = dict.fromkeys(ARMS, 0)
    for i in range(count):
        today = {arm: 280 + (37 * (i + 1) * (k + 2)) % 61 for k, arm in enumerate(ARMS)}
        so_far = {arm: so_far[arm] + n for arm, n in today.items()}
        half = 1500 / (i + 1) ** 0.5
        told = i >= 2
        made.append(
            Day(
                day=(first + timedelta(days=i)).isoformat(),
                arms=tuple(DayArm(arm, today[arm], so_far[arm]) for arm in ARMS),
                effects=tuple(
                    DayEffect(
                        arm,
                        value + (300 - 25 * i if i < 12 else 0) if told else None,
                        value + (300 - 25 * i if i < 12 else 0) - half if told else None,
                        value + (300 - 25 * i if i < 12 else 0) + half if told else None,
                    )
                    for arm, value in (("cross-sell", 412.0), ("bundle-10", -52.0))
                ),
                open=i > 13,
                bands=dict.fromkeys(ARMS, (1 / 3, 1 / 3 - 0.08 / (i + 1) ** 0.5, 1 / 3 + 0.08 / (i + 1) ** 0.5)),
            )
        )
    return tuple(made)


def money(variant: str, net: float, half: float) -> Money:
    """A waterfall that adds up to `net`."""
    parts = {
        "offered_items": 912_000.0,
        "rest_of_basket": -104_000.0,
        "refunds": -61_000.0,
        "cost_of_goods": -301_000.0,
        "discount_extra": -22_000.0,
        "discount_anyway": -9_000.0,
        "delivery": 0.0,
    }
    parts["delivery"] = net - sum(parts.values())
    steps = tuple(MoneyStep(code=code, estimate=value, lower=None, upper=None) for code, value in parts.items())
    last = MoneyStep(code="net", estimate=net, lower=net - half, upper=net + half)
    return Money(
        variant=variant,
        currency="KRW",
        steps=(*steps, last),
        roi=interval(2.4, 1.1),
        quantiles=tuple(net + half * (k - 9.5) / 8 for k in range(20)),
        incremental_revenue=interval(412 * 6_048, 300 * 6_048),
        attributed_revenue=8_213_000.0,
        undetermined=None,
        extra_orders=ExtraOrders(
            orders=interval(31.0, 12.0),
            cost=interval(68_000.0, 9_000.0),
            cost_per_order=interval(2_190.0, 900.0),
            undetermined=None,
        ),
    )


def ship() -> Report:
    """Three arms, 18,000 customers: cross-sell is better in profit and harms nothing."""
    profit = result(
        "gross_profit_per_customer",
        "primary",
        5_090.0,
        (
            effect("cross-sell", 412, 322, 5_090, bayes=bayes(), capped=capped()),
            effect("bundle-10", -52, 331, 5_090),
        ),
        best=(ArmChance("control", 0.01, 410.0), ArmChance("cross-sell", 0.98, 1.0), ArmChance("bundle-10", 0.01, 440)),
    )
    checks = (
        check("suppressed", "look", v="cross-sell", n=412, N=6_048, reasons="cap 301, consent 111"),
        check("crossovers", "look", n=31, share=0.0017),
        check("maturing", "wait", at=1_796_428_800_000_000, n=11_800, N=18_144),
        check("srm", "pass"),
        check("silence", "pass"),
        check("weights", "pass"),
        check("rejected", "pass"),
        check("costs", "pass"),
        check("skew", "pass"),
        check("other_currency", "pass", n=0, currency="KRW"),
    )
    refusal = result(
        "unsubscribe_rate",
        "guardrail",
        0.0121,
        (
            effect("cross-sell", 0.0004, 0.0011, 0.0121, limit="within", margin=0.002),
            effect("bundle-10", 0.0013, 0.0012, 0.0121, limit="cant_tell", margin=0.002),
        ),
    )
    bought = result(
        "offered_item_rate",
        "secondary",
        0.031,
        (effect("cross-sell", 0.0112, 0.0061, 0.031), effect("bundle-10", 0.004, 0.006, 0.031)),
        companion=True,
    )
    aov = result(
        "aov",
        "secondary",
        38_200.0,
        (effect("cross-sell", 812, 1_410, 38_200), effect("bundle-10", 2_210, 1_390, 38_200)),
    )
    segments = tuple(
        SegmentResult(
            segment=name,
            n=n,
            metrics=(
                result(
                    "gross_profit_per_customer",
                    "primary",
                    5_090.0,
                    (effect("cross-sell", raw, half, 5_090), effect("bundle-10", -raw / 5, half, 5_090)),
                ),
            ),
            shrunk={"cross-sell": interval(412 + (raw - 412) / 3, half / 2), "bundle-10": interval(-52, half / 2)},
        )
        for name, n, raw, half in (
            ("new", 9_120, 310.0, 500.0),
            ("repeat", 7_420, 560.0, 520.0),
            ("high-value", 1_604, 702.0, 1_400.0),
        )
    )
    return Report(
        experiment="coffee-addon",
        as_of=NOON,
        state="running",
        quality=Quality(
            srm=Srm(
                p_value=0.62,
                ok=True,
                arms=(
                    ArmShare("control", 6_031, 6_048.0),
                    ArmShare("cross-sell", 6_048, 6_048.0),
                    ArmShare("bundle-10", 6_065, 6_048.0),
                ),
            ),
            crossovers=31,
            checks=checks,
        ),
        metrics=(profit, refusal, bought, aov),
        segments=(*segments, SegmentResult(segment=None, n=None)),
        heterogeneity=(
            Heterogeneity(
                variant="cross-sell",
                metric="gross_profit_per_customer",
                statistic=1.1,
                p_value=0.58,
                p_value_adjusted=0.58,
                merge=(("new", "repeat"),),
            ),
        ),
        verdict=Verdict(
            decision="ship",
            variant="cross-sell",
            reasons=(
                Reason(
                    code="ship_profit",
                    metric="gross_profit_per_customer",
                    variant="cross-sell",
                    unit="money",
                    estimate=412.0,
                    lower=90.0,
                    upper=734.0,
                ),
            ),
            days_left=None,
        ),
        reproduce=Reproduce(
            as_of=NOON,
            engine="store",
            version="0.1.0",
            ruleset_version=17,
            revision=4,
            plan_hash="5f1d" * 16,
            moments_hash="9ac0" * 16,
            command=f"offerlab report coffee-addon --as-of {NOON}",
        ),
        facts=Facts(
            status="running",
            hypothesis="Coffee machine buyers who see capsules at the checkout bring more profit.",
            currency="KRW",
            control="control",
            variants=ARMS,
            started_at="2026-09-21T00:00:00Z",
            ends_at="2026-10-18T00:00:00Z",
            first_exposure_at="2026-09-21T00:03:00Z",
            last_exposure_at="2026-10-12T14:01:00Z",
            customers=18_144,
            planned_customers=24_000,
            day=22,
            days_planned=27,
            alpha=0.05,
            mde=0.05,
            sequential="always",
            window_days=14,
            refund_days=30,
            epochs=("2026-09-21T00:00:00Z",),
        ),
        maturity=Maturity(customers=18_144, window_closed=11_800, refunds_closed=0, final_at="2026-11-25T00:00:00Z"),
        funnel=Funnel(
            decided=None,
            enrolled=None,
            exposures=18_221,
            exposed=18_175,
            crossovers=31,
            analysed=18_144,
            shown=11_701,
            suppressed=(SuppressedCount("cross-sell", "cap", 301), SuppressedCount("cross-sell", "consent", 111)),
            other_currency=0,
        ),
        days=days(),
        money=(money("cross-sell", 412_000.0, 322_000.0),),
        declines=(DeclineCount("cross-sell", "too expensive", 31),),
        voices=(Voice("cross-sell", "offer_declined", "Too dear, write to •••", NOON),),
        projections=(
            Projection(
                variant="bundle-10",
                metric="gross_profit_per_customer",
                planned=24_000,
                smallest_gain=402.0,
                chance_as_planned=0.31,
                chance_as_seen=0.02,
            ),
        ),
        novelty=(
            Novelty(
                variant="cross-sell",
                value="revenue",
                customers=9_000,
                course="steady",
                slope=interval(-1.0, 4.0),
                p_value=0.6,
                parts=tuple(CoursePart(2.0 * i + 1, 60.0 - i, 20.0 - i, 100.0 - i) for i in range(7)),
            ),
        ),
        factors=Factors(
            metric="gross_profit_per_customer",
            factors={"timing": ("at once", "+24 h"), "product & message": ("capsules", "mug")},
            terms=(
                FactorTerm(
                    factors=("timing",),
                    p_value=0.001,
                    p_value_adjusted=0.003,
                    contrasts=(
                        FactorContrast(
                            levels=("+24 h",), effect=interval(210, 90), p_value=0.001, p_value_adjusted=0.003
                        ),
                    ),
                ),
            ),
            choices=(
                FactorChoice(factors=("timing",), levels=("+24 h",), chance=0.999, expected_loss=0.01),
                FactorChoice(factors=("product & message",), undetermined=Undetermined("too_few", "Not enough.")),
            ),
        ),
    )


def broken_split() -> Report:
    """The same with a split that is off: effects must be hidden."""
    good = ship()
    srm = Srm(
        p_value=1e-9,
        ok=False,
        arms=(
            ArmShare("control", 6_531, 6_048.0),
            ArmShare("cross-sell", 5_548, 6_048.0),
            ArmShare("bundle-10", 6_065, 6_048.0),
        ),
    )
    stop = check("srm", "stop", v="cross-sell", n=5_548, e=6_048.0)
    verdict = Verdict(
        decision="investigate",
        variant=None,
        reasons=(Reason(code="srm", variant="cross-sell", n=5_548, expected=6_048.0),),
    )
    others = tuple(each for each in good.quality.checks if each.code != "srm")
    return replace(good, quality=replace(good.quality, srm=srm, checks=(stop, *others)), verdict=verdict)


def maturing() -> Report:
    """The same after its end, refunds still open."""
    good = ship()
    reasons = (*good.verdict.reasons, Reason(code="maturing", until="2026-11-25T00:00:00Z", n=11_800, total=18_144))
    return replace(
        good,
        state="maturing",
        verdict=replace(good.verdict, reasons=reasons, locked=True),
        facts=replace(good.facts, status="stopped"),
    )


def thin() -> Report:
    """The second day: nothing can be said yet."""
    good = ship()
    why = Undetermined("too_few", "fewer than 40 converting customers in an arm")
    nothing = Estimate(None, None, None)
    metrics = tuple(
        replace(
            metric,
            arms=tuple(
                replace(arm, n=121 + i, converted=17 + 5 * i, mean=metric.arms[0].mean)
                for i, arm in enumerate(metric.arms)
            ),
            effects=tuple(
                replace(
                    each,
                    absolute=None,
                    relative=None,
                    p_value=None,
                    p_value_adjusted=None,
                    chance_to_beat=None,
                    expected_loss=None,
                    raw=nothing,
                    undetermined=why,
                    inner={},
                    limit=None,
                )
                for each in metric.effects
            ),
        )
        for metric in good.metrics
    )
    blank = tuple(
        replace(day, effects=tuple(DayEffect(each.variant, None, None, None) for each in day.effects))
        for day in days(2)
    )
    reason = Reason(code="run_on_thin", metric="gross_profit_per_customer", detail=why.detail)
    return replace(
        good,
        metrics=metrics,
        days=blank,
        segments=(),
        heterogeneity=(),
        money=(replace(good.money[0], steps=(), roi=None, quantiles=(), undetermined=why),),
        verdict=Verdict(decision="keep_running", variant=None, reasons=(reason,)),
        quality=replace(good.quality, checks=tuple(each for each in good.quality.checks if each.level == "pass")),
        facts=replace(good.facts, customers=366, day=2),
    )
