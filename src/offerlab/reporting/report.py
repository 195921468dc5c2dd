"""The report: what leaves OfferLab as JSON, field by field.

`build.build_report` fills it, `formats` writes it, the dashboard draws it; nobody computes after it.
Order of reading: trust first, then the metrics (primary, guardrails, secondary), money, segments, time, reproduction.
Units: shares in 0..1, money in major units of `facts.currency`, times in ISO 8601 with a trailing Z.
A field is null when it does not apply, and has an `undetermined` beside it when it can't be said.
Floats carry 12 significant digits.
"""

from typing import Literal

from msgspec import Struct

from offerlab.domain.metric import Direction, MetricKind, Role

State = Literal["running", "maturing", "final"]
Decision = Literal["ship", "keep_control", "keep_running", "investigate"]
Level = Literal["pass", "look", "stop", "wait"]
Limit = Literal["within", "past", "cant_tell"]
Unit = Literal["share", "money", "count", "hours", "days", "factor"]


class Interval(Struct, frozen=True, omit_defaults=True):
    """A point and its range. An open end is null.

    Attributes:
        shape: `disjoint` means everything EXCEPT (lower, upper); `whole_line` means that nothing is excluded.
    """

    estimate: float
    lower: float | None
    upper: float | None
    shape: Literal["bounded", "disjoint", "whole_line"] = "bounded"

    def times(self, factor: float) -> "Interval":
        """The same in another unit, or turned about zero by a negative factor."""
        ends = [None if end is None else end * factor for end in (self.lower, self.upper)]
        lower, upper = ends if factor > 0 else ends[::-1]
        return Interval(self.estimate * factor, lower, upper, self.shape)


class Undetermined(Struct, frozen=True):
    """Why something can't be said: a stable word and a sentence."""

    reason: str
    detail: str


class Arm(Struct, frozen=True):
    """Raw figures of one arm: all exposed customers less crossovers, nothing capped, adjusted or weighted.

    Attributes:
        n: customers (for every metric, also where only some of them count); null where a segment withholds them.
        mean: of the metric in its unit; for a ratio, sum over sum; null when there is nothing to divide.
        se: standard error of `mean`; null below two customers.
        converted: customers whose value is not zero.
        shown: for `acceptance_rate`, customers who were shown the offer; `mean_shown` is accepted / shown, descriptive.
        mean_among: of a time until something, its mean among those who did it, descriptive: the offer chooses them.
    """

    variant: str
    n: int | None
    mean: float | None
    se: float | None
    converted: int | None = None
    shown: int | None = None
    mean_shown: float | None = None
    mean_among: float | None = None


class Estimate(Struct, frozen=True):
    """One way of estimating an effect; all null when it can't be said."""

    absolute: Interval | None
    relative: Interval | None
    p_value: float | None


class Caution(Struct, frozen=True):
    """A reservation about an effect that is shown all the same (`too_few`, `skewed`, `many`, …)."""

    code: str
    detail: str


class Capped(Struct, frozen=True, kw_only=True):
    """The same effect on the metric capped at its 99th percentile (of values other than zero, all arms pooled).

    Attributes:
        limit: largest value kept, in the metric's unit; for AOV, of a customer's revenue. touched: customers above it.
    """

    limit: float
    touched: int
    absolute: Interval | None
    relative: Interval | None
    p_value: float | None
    adjusted: bool


class Belief(Struct, frozen=True, kw_only=True):
    """What to believe of a lift under one prior, as a share of the reference's mean.

    Attributes:
        lift: posterior mean (shrunk towards the prior) with its credible range.
        chance_to_beat: chance that the treatment is better in the metric's good direction.
        expected_loss, expected_gain: per customer in the metric's unit: given away by shipping it, and by not shipping.
    """

    lift: Interval
    chance_to_beat: float
    expected_loss: float
    expected_gain: float


class Bayes(Struct, frozen=True, kw_only=True):
    """The Bayesian view: learned from past experiments, with the flat-prior answer beside it.

    Attributes:
        prior_sd: width of the normal prior of a lift around zero.
        prior_source: `programme` (learned from past experiments) or `fallback` (fewer than 20 of them: N(0, .1^2)).
        prior_experiments: finished experiments that it was learned from, or that there are so far.
        informed: under that prior: the shrunken effect, free of the winner's curse. flat: under no prior.
    """

    prior_sd: float
    prior_source: str
    prior_experiments: int
    informed: Belief
    flat: Belief


class Effect(Struct, frozen=True, kw_only=True):
    """Treatment less reference: the default estimate, with the raw one beside it.

    Attributes:
        absolute: in the metric's unit. relative: share of the reference's mean; null alone when that mean is no base.
        p_value: two-sided, valid at this look. p_value_adjusted: for all treatments (Dunnett's, else Holm's), or for
            all secondary metrics and treatments (Benjamini and Hochberg's false discovery rate).
        chance_to_beat: probability that the treatment is better in the metric's good direction (flat prior).
        expected_loss: expected shortfall per customer if the treatment is shipped and is in truth worse.
        method: stable word for the test. adjusted: whether variance reduction made the default estimate.
        raw: without variance reduction; equals the default where `adjusted` is false.
        inner: the 50 % and 80 % ranges of the same test, fixed-sample, for pictures: {"50": …, "80": …}.
        simultaneous: the range that matches `p_value_adjusted` (wider; looks counted): Dunnett's or, under Holm,
            Bonferroni's; under `bh` the false coverage rate's. correction: `none`, `holm`, `dunnett` or `bh`.
        conservative: Holm shows the effect although its (Bonferroni's) range still holds zero.
        saved: share of the variance that the reduction took away, where `adjusted`.
        z, standard_error: signed statistic on the normal scale and error of the estimate, as if nobody had looked.
        limit, margin: for a guardrail, whether the range keeps within `margin` (in the metric's unit, the bad side);
            harmed: it is shown to be worse than no change, at the guardrail's own error rate.
        capped: the effect on the capped metric, beside the raw one, never in its place; null where nothing is capped.
        bayes: the effect under the programme's prior and under none; null where a lift has no bounded range.
        exact: for a rate before 40 expected converters: the exact sequence, which may be read from the first one on.
        undetermined: why nothing is said; then absolute, relative and p_value are null.
    """

    variant: str
    reference: str
    absolute: Interval | None
    relative: Interval | None
    p_value: float | None
    p_value_adjusted: float | None
    chance_to_beat: float | None
    expected_loss: float | None
    method: str
    adjusted: bool
    raw: Estimate
    undetermined: Undetermined | None
    cautions: tuple[Caution, ...] = ()
    inner: dict[str, Interval] = {}
    simultaneous: Interval | None = None
    z: float | None = None
    standard_error: float | None = None
    saved: float | None = None
    harmed: bool | None = None
    limit: Limit | None = None
    margin: float | None = None
    correction: str = "none"
    conservative: bool = False
    bayes: Bayes | None = None
    exact: Estimate | None = None
    capped: Capped | None = None


class ArmChance(Struct, frozen=True):
    """Chance of an arm to be the best of all, and what choosing it is expected to lose per customer."""

    variant: str
    chance: float
    expected_loss: float


class MetricResult(Struct, frozen=True, kw_only=True):
    """One metric of the plan; every metric of the experiment has one, also when nothing can be said.

    Attributes:
        role: as planned; `companion` marks `offered_item_rate` where `acceptance_rate` asked for it, and
            `revenue_per_customer` where `aov` did.
        causal: False where only buyers are looked at, whom the offer itself selects.
        undetermined: why the metric as a whole can't be said (no cost data, no accepting arm, …).
        name: what the shop calls its own metric.
        best: for each arm, the reference first, the chance to be the best under the programme's prior.
    """

    metric: str
    role: Role
    kind: MetricKind
    arms: tuple[Arm, ...]
    effects: tuple[Effect, ...]
    unit: Unit
    better: Direction
    causal: bool
    companion: bool = False
    undetermined: Undetermined | None = None
    best: tuple[ArmChance, ...] = ()
    name: str | None = None


class Projection(Struct, frozen=True, kw_only=True):
    """How a running plan will probably end: a number to plan by, never to decide by.

    Attributes:
        planned: customers at the planned end.
        smallest_gain: the smallest difference that the end will show with the planned power, in the metric's unit.
        chance_as_planned: chance to show a gain by then if the smallest gain worth having is true.
        chance_as_seen: the same if today's estimate is.
    """

    variant: str
    metric: str
    planned: int
    smallest_gain: float
    chance_as_planned: float | None
    chance_as_seen: float


class Check(Struct, frozen=True, kw_only=True):
    """One line of "Can we trust it?".

    Attributes:
        ok: False asks for attention (`look`) or forbids the verdict (`stop`).
        detail: the sentence in English; `sentences.check_sentence` says it in Korean.
        sentence: which of the words' sentences it is; numbers: what it is made of.
    """

    code: str
    ok: bool
    detail: str
    level: Level
    sentence: str
    numbers: dict[str, int | float | str] = {}


class ArmShare(Struct, frozen=True):
    """Customers of an arm against its plan (all epochs and segments added up)."""

    variant: str
    observed: int
    expected: float


class StratumSplit(Struct, frozen=True, kw_only=True):
    """The split within one period and segment; `p_value_adjusted` for their number (Holm); `n` is null below ten."""

    epoch: int
    segment: str | None
    n: int | None
    p_value: float | None
    p_value_adjusted: float | None
    ok: bool


class Srm(Struct, frozen=True, kw_only=True):
    """Whether the split is what was asked. `p_value` is null below five expected customers in an arm.

    Attributes:
        anytime_p_value: of the test that may be read every day: it falls below .001 by chance once in 1,000
            experiments, however often somebody looks.
        strata: each period and segment by itself, where there are several.
    """

    p_value: float | None
    ok: bool
    arms: tuple[ArmShare, ...] = ()
    anytime_p_value: float | None = None
    strata: tuple[StratumSplit, ...] = ()


class Quality(Struct, frozen=True, kw_only=True):
    """Trust checks, worst first. `crossovers` customers met two arms and are left out."""

    srm: Srm
    crossovers: int
    checks: tuple[Check, ...]


class Reason(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why the verdict: a code of `words` and the numbers of its sentence (only those that apply).

    Attributes:
        estimate, lower, upper: of the effect spoken of, in `unit`.
        margin, mde: the limit and the smallest gain worth having, in `unit`.
        n, expected, total: customers. days, weeks: time still needed. until: ISO time.
        detail: a further sentence in English.
    """

    code: str
    metric: str | None = None
    variant: str | None = None
    segment: str | None = None
    unit: Unit | None = None
    estimate: float | None = None
    lower: float | None = None
    upper: float | None = None
    margin: float | None = None
    mde: float | None = None
    p_value: float | None = None
    n: int | None = None
    expected: float | None = None
    total: int | None = None
    days: int | None = None
    weeks: int | None = None
    until: str | None = None
    detail: str | None = None


class Verdict(Struct, frozen=True, kw_only=True):
    """The proposed decision; `reasons[0]` is the headline. `locked` while refunds can still change it."""

    decision: Decision
    variant: str | None
    reasons: tuple[Reason, ...]
    segment: str | None = None
    locked: bool = False
    days_left: int | None = None


class SegmentResult(Struct, frozen=True, kw_only=True):
    """One segment: customers per arm and the metrics within it.

    Attributes:
        segment: its key, null for customers outside every segment.
        n: customers; null below ten, then nothing else is told and `withheld` says why. An arm of under ten customers
            within it is named, and its figures and effects are withheld likewise.
        shrunk: per treatment, the primary effect pulled towards the overall one.
    """

    segment: str | None
    n: int | None
    withheld: Literal["under_10"] | None = None
    metrics: tuple[MetricResult, ...] = ()
    shrunk: dict[str, Interval] = {}


class Heterogeneity(Struct, frozen=True, kw_only=True):
    """Whether a treatment's primary effect differs between segments (Cochran's Q)."""

    variant: str
    metric: str
    statistic: float | None
    p_value: float | None
    p_value_adjusted: float | None
    merge: tuple[tuple[str, ...], ...] = ()
    undetermined: Undetermined | None = None


class DayArm(Struct, frozen=True):
    """Customers first exposed on this day, and up to it."""

    variant: str
    exposed: int
    customers: int


class DayEffect(Struct, frozen=True):
    """Effect on the primary metric among customers first exposed up to this day; null before it may be judged."""

    variant: str
    estimate: float | None
    lower: float | None
    upper: float | None


class Day(Struct, frozen=True, kw_only=True):
    """One UTC day of the time course.

    Attributes:
        day: ISO date. open: whether the refund window of its customers is still open.
        bands: per variant planned share, lower and upper end of its 99.9 % band; empty under five expected.
    """

    day: str
    arms: tuple[DayArm, ...]
    effects: tuple[DayEffect, ...]
    open: bool
    bands: dict[str, tuple[float, float, float]] = {}


class CoursePart(Struct, frozen=True):
    """Effect in one part of the window: days since exposure (middle of the part), per customer and day."""

    day: float
    estimate: float
    lower: float
    upper: float


class Novelty(Struct, frozen=True, kw_only=True):
    """Does the effect fade or grow with the days since exposure? Only customers whose whole window has passed count.

    Attributes:
        value: `revenue` (before refunds) or `orders`.
        customers: of both arms that count here.
        course: `fading`, `growing` or `steady`; null with `undetermined`.
        slope: change of the daily effect per day since exposure.
        parts: the effect in each seventh of the window.
    """

    variant: str
    value: str
    customers: int
    course: str | None = None
    slope: Interval | None = None
    p_value: float | None = None
    parts: tuple[CoursePart, ...] = ()
    undetermined: Undetermined | None = None


class SuppressedCount(Struct, frozen=True):
    """Customers of an arm whose first exposure carried no offer, by reason."""

    variant: str
    reason: str
    n: int


class PartialBundle(Struct, frozen=True):
    """Customers of an arm who bought some of its bundle's items in one order, and never all of them in one."""

    variant: str
    n: int


class Funnel(Struct, frozen=True, kw_only=True):
    """Everyone who entered, with each loss: exposed = crossovers + analysed; analysed = shown + not shown.

    Attributes:
        decided, enrolled: null: a decision stores nothing (design.md §2); only exposures are counted.
        exposures: events; exposed: customers.
        partial_bundles: of an arm's bundle some items were bought, not all: no acceptance. Arms with none are left out,
            and so are all where acceptance was not measured.
    """

    decided: int | None
    enrolled: int | None
    exposures: int
    exposed: int
    crossovers: int
    analysed: int
    shown: int
    suppressed: tuple[SuppressedCount, ...]
    other_currency: int
    rejected: int | None = None
    partial_bundles: tuple[PartialBundle, ...] = ()


class MoneyStep(Struct, frozen=True, kw_only=True):
    """A bar of the waterfall, per 1,000 customers, treatment less control.

    Codes in order: offered_items, rest_of_basket, refunds, cost_of_goods, discount_extra, discount_anyway, delivery,
    net.
    """

    code: str
    estimate: float
    lower: float | None
    upper: float | None


class ExtraOrders(Struct, frozen=True, kw_only=True):
    """What a treatment's extra orders cost; needs no unit costs.

    Attributes:
        orders, cost: per 1,000 customers, treatment less control: orders in the project's currency, and what discounts
            and delivery took.
        cost_per_order: the one over the other, with Fieller's range.
        undetermined: why that can't be said: mostly that the extra orders can't be told from none.
    """

    orders: Interval | None
    cost: Interval | None
    cost_per_order: Interval | None
    undetermined: Undetermined | None


class Money(Struct, frozen=True, kw_only=True):
    """What a treatment earns against control.

    Attributes:
        steps: the waterfall; empty with `undetermined` when a cost is missing or there is no control.
        roi: incremental profit over incremental cost of the offer.
        quantiles: 20 equally likely values of net profit per 1,000 customers (normal, flat prior).
        incremental_revenue: difference of means times the customers of the arm.
        attributed_revenue: what accepting customers paid for offered items, for an upgrade beyond the price of its
            base at the start; not what the offer added, never summed.
    """

    variant: str
    currency: str
    steps: tuple[MoneyStep, ...]
    roi: Interval | None
    quantiles: tuple[float, ...]
    incremental_revenue: Interval | None
    attributed_revenue: float | None
    undetermined: Undetermined | None
    extra_orders: ExtraOrders | None = None


class DeclineCount(Struct, frozen=True):
    """Declines of an arm by reason."""

    variant: str
    reason: str
    n: int


class Voice(Struct, frozen=True):
    """What a customer wrote with a decline, a feedback or a complaint; addresses and long numbers are masked."""

    variant: str
    kind: str
    text: str
    at: str


class FactorContrast(Struct, frozen=True, kw_only=True):
    """One level (or combination) against the first, averaged over all other factors, in the primary metric's unit."""

    levels: tuple[str, ...]
    effect: Interval
    p_value: float
    p_value_adjusted: float


class FactorTerm(Struct, frozen=True, kw_only=True):
    """One factor, or several that may need each other. `p_value_adjusted`: over all terms (Holm)."""

    factors: tuple[str, ...]
    p_value: float
    p_value_adjusted: float
    contrasts: tuple[FactorContrast, ...]


class FactorChoice(Struct, frozen=True, kw_only=True):
    """The best level of a factor (or of several that interact); `levels` is empty where data do not tell them apart.

    Attributes:
        chance: that these levels are the best. expected_loss: behind the best, in the primary metric's unit.
    """

    factors: tuple[str, ...]
    levels: tuple[str, ...] = ()
    chance: float | None = None
    expected_loss: float | None = None
    undetermined: Undetermined | None = None


class Factors(Struct, frozen=True, kw_only=True):
    """Which timing, which match, which message, which discount is best.

    Attributes:
        metric: the primary one.
        factors: what the arms' offers differ in, by name, with the levels; factors that always change together are one
            (`product & message`).
        arms: levels of each arm with an offer, in the order of `factors`.
        undetermined: why the offers can't be read as factors.
    """

    metric: str
    factors: dict[str, tuple[str, ...]] = {}
    arms: dict[str, tuple[str, ...]] = {}
    terms: tuple[FactorTerm, ...] = ()
    choices: tuple[FactorChoice, ...] = ()
    undetermined: Undetermined | None = None


class Maturity(Struct, frozen=True, kw_only=True):
    """Outcome windows: how many customers' are closed, and when the last one closes (null: nobody was exposed)."""

    customers: int
    window_closed: int
    refunds_closed: int
    final_at: str | None


class Looking(Struct, frozen=True, kw_only=True):
    """Looking early: the rule that was planned, the one that speaks today, and the looks that there were.

    Attributes:
        rule: `group`, `always` or `fixed`, as planned. speaks: the rule behind today's ranges.
        note: why that one: `on_plan`, `plan_complete`, `overrun` (more customers than planned: the confidence sequence
            takes over), `no_plan`, `open_ended`, `before_end`, `fixed_end`, `nobody`.
        planned: customers at the planned end, fixed at the start. fraction: share of them that is in.
        spent: error rate used up by today.
        looks, early: different readings so far, today's included, and those before the planned end.
        false_alarm: chance that any of these readings shows an effect where there is none.
        level: `look` or `stop` where a fixed plan was read so often that its error rate is above 1.2 or 2 times alpha.
    """

    rule: str
    speaks: str
    note: str
    planned: int | None
    fraction: float | None
    spent: float
    looks: int
    early: int
    false_alarm: float
    level: Literal["pass", "look", "stop"]


class Facts(Struct, frozen=True, kw_only=True):
    """What a page says around the numbers. Days count from the start; `days_planned` is null without a planned end.

    `offers` holds the offer's key of each arm that has one.
    """

    status: str
    hypothesis: str
    currency: str
    control: str | None
    variants: tuple[str, ...]
    started_at: str | None
    ends_at: str | None
    first_exposure_at: str | None
    last_exposure_at: str | None
    customers: int
    planned_customers: int | None
    day: int | None
    days_planned: int | None
    alpha: float
    mde: float
    sequential: str
    window_days: int
    refund_days: int
    epochs: tuple[str, ...]
    offers: dict[str, str] = {}


class Reproduce(Struct, frozen=True, kw_only=True):
    """How to get the same numbers again. Hashes are hexadecimal SHA-256."""

    as_of: str
    engine: str
    version: str
    ruleset_version: int | None
    revision: int
    plan_hash: str
    moments_hash: str
    command: str


class Report(Struct, frozen=True, kw_only=True):
    """One experiment as of one moment."""

    experiment: str
    as_of: str
    state: State
    quality: Quality
    metrics: tuple[MetricResult, ...]
    segments: tuple[SegmentResult, ...]
    heterogeneity: tuple[Heterogeneity, ...]
    verdict: Verdict
    reproduce: Reproduce
    facts: Facts
    maturity: Maturity
    funnel: Funnel
    days: tuple[Day, ...]
    money: tuple[Money, ...]
    declines: tuple[DeclineCount, ...]
    segment_by: str = "segment"
    looking: Looking | None = None
    projections: tuple[Projection, ...] = ()
    novelty: tuple[Novelty, ...] = ()
    voices: tuple[Voice, ...] = ()
    factors: Factors | None = None
