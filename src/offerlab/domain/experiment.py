"""An experiment: arms, who enters, what is measured, and the life from draft to archive."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Final, Literal

from msgspec import Struct, structs

from offerlab.domain.adaptive import Adaptive, check_adaptive
from offerlab.domain.approval import Proposal
from offerlab.domain.halt import Halt
from offerlab.domain.metric import METRICS, CustomMetric, Metric, Role, looks_at_opens
from offerlab.domain.requirement import Requirement
from offerlab.errors import Conflict, InvalidDefinition, InvalidPlan

Status = Literal["draft", "running", "paused", "stopped", "archived"]
ValueType = Literal["string", "boolean", "integer", "number", "object"]
Sequential = Literal["group", "always", "fixed"]
Conclusion = Literal["ship", "keep_control", "undecided", "invalid"]
Action = Literal["start", "pause", "resume", "stop", "archive"]

SLOTS: Final = 1_000_000
"""Arms, gates and layers are ranges of this many hash slots: a share is exact to one in a million."""

WINDOW_DAYS: Final = 14
REFUND_DAYS: Final = 30
"""An experiment's windows where it names none."""

MOST_OWN_METRICS: Final = 20
"""Of the shop's own in one plan: what one row of an answer holds on every database."""

EVERYONE: Final = ""
"""The key of the allocation for customers whose segment has none of its own."""

HELD_OUT: Final = "held_out"
PROGRAMME: Final = "programme"
"""The two arms of a holdout: kept from all offers that it covers, and everybody else."""

_NEXT: Final[dict[tuple[Status, Action], Status]] = {
    ("draft", "start"): "running",
    ("running", "pause"): "paused",
    ("paused", "resume"): "running",
    ("running", "stop"): "stopped",
    ("paused", "stop"): "stopped",
    ("draft", "archive"): "archived",
    ("stopped", "archive"): "archived",
}


class Variant(Struct, frozen=True, kw_only=True):
    """One arm. Its place in the experiment is its identity; `weight` is its planned share at the start."""

    key: str
    weight: float
    role: Literal["control", "treatment"] | None = None
    offer: str | None = None
    value: object = None


class MetricPlan(Struct, frozen=True, kw_only=True):
    """What decides, what else is looked at, what must not get worse.

    Attributes:
        margins: by guardrail, the relative worsening that is still within its limit (0.05 = 5 %).
        custom: the shop's own metrics among them, as they were defined then.
    """

    primary: str
    secondary: tuple[str, ...] = ()
    guardrails: tuple[str, ...] = ()
    margins: dict[str, float] = {}
    custom: tuple[CustomMetric, ...] = ()

    def definition(self, key: str) -> Metric:
        """A metric of the plan, of the contract or the shop's own.

        Raises:
            KeyError: neither.
        """
        own = next((each for each in self.custom if each.key == key), None)
        return METRICS[key] if own is None else own.metric

    def roles(self) -> dict[str, Role]:
        """Every metric of the plan with its role, the primary one first."""
        roles: dict[str, Role] = {self.primary: "primary"}
        for key in self.secondary:
            roles.setdefault(key, "secondary")
        for key in self.guardrails:
            roles.setdefault(key, "guardrail")
        return roles


class AnalysisPlan(Struct, frozen=True, kw_only=True):
    """Fixed before the start. `mde` is relative to control; `planned_customers` is per experiment, all arms."""

    alpha: float = 0.05
    power: float = 0.8
    mde: float = 0.05
    sequential: Sequential = "always"
    planned_customers: int | None = None


class Range(Struct, frozen=True, array_like=True):
    """Slots `[start, end)` belong to the variant at index `variant`."""

    start: int
    end: int
    variant: int


class Claim(Struct, frozen=True, kw_only=True):
    """Slots of a layer that belong to this experiment, as `[start, end)` pairs."""

    layer: str
    salt: str
    slots: tuple[tuple[int, int], ...]


class Epoch(Struct, frozen=True, kw_only=True):
    """A period of constant weights. A change on a running experiment opens the next one.

    Attributes:
        started_at: microseconds UTC; the epoch holds from here to the next one's start.
        traffic: share of eligible customers who enter, through layers and gate together.
        arms: slot ranges per segment key, `EVERYONE` for the rest.
        claims: slots owned in each of the experiment's layers; they only ever grow.
    """

    number: int
    started_at: int
    traffic: float
    arms: dict[str, tuple[Range, ...]]
    claims: tuple[Claim, ...] = ()


class Change(Struct, frozen=True, kw_only=True):
    """The experiment was in `status` from `at` on; a stopped one may serve an arm (by segment, `EVERYONE` else)."""

    at: int
    status: Status
    serve: dict[str, str] = {}


class RampStep(Struct, frozen=True, kw_only=True):
    """From `at` (microseconds UTC) on, this share of eligible customers enters."""

    at: int
    traffic: float


class Experiment(Struct, frozen=True, kw_only=True):
    """One study with everything that decides who sees what.

    Attributes:
        id: the machine's number.
        salt: random, drawn once; feeds the hash together with what is drawn (arm, traffic).
        layer: key of a layer, or of several.
        holdout: None, or what this experiment holds customers out of: `*` for all, else a layer's key.
        requires: where a customer has to stand in other experiments.
        forced: tester ids with the arm they always see; never analysed.
        epochs: in order; empty while a draft.
        changes: the life so far, in order.
        starts_at, ends_at: microseconds UTC, planned.
        ramp: how traffic grows after the start. ramp_halted: why it does not grow any more; empty while it may.
        adaptive: how the weights follow the results; None: they stay until a person changes them.
        auto_pause: whether a guardrail that shows harm pauses it. halts: those that did, in order.
        authors: who drafted and edited it, each once. proposal: what waits for another person's approval.
        approved_by: who let it start; empty: nobody had to, or has.
        revision: raised by every stored change.
    """

    id: int
    key: str
    salt: str
    variants: tuple[Variant, ...]
    metrics: MetricPlan
    name: str = ""
    hypothesis: str = ""
    layer: str | tuple[str, ...] | None = None
    holdout: str | None = None
    traffic: float = 1.0
    segments: tuple[str, ...] = ()
    allocation: dict[str, dict[str, float]] = {}
    value_type: ValueType = "string"
    window_days: int = WINDOW_DAYS
    refund_days: int = REFUND_DAYS
    starts_at: int | None = None
    ends_at: int | None = None
    ramp: tuple[RampStep, ...] = ()
    ramp_halted: str = ""
    adaptive: Adaptive | None = None
    auto_pause: bool = True
    halts: tuple[Halt, ...] = ()
    authors: tuple[str, ...] = ()
    proposal: Proposal | None = None
    approved_by: str = ""
    analysis: AnalysisPlan = AnalysisPlan()
    bucket_by: Literal["customer_id", "anonymous_id"] = "customer_id"
    requires: tuple[Requirement, ...] = ()
    forced: dict[str, str] = {}
    status: Status = "draft"
    epochs: tuple[Epoch, ...] = ()
    changes: tuple[Change, ...] = ()
    conclusion: Conclusion | None = None
    note: str = ""
    created_at: int = 0
    revision: int = 1

    @property
    def is_live(self) -> bool:
        """Whether it has started and not stopped."""
        return self.status in ("running", "paused")

    @property
    def control(self) -> int | None:
        """Index of the control arm: by role, else keyed `control`, else the only arm without an offer."""
        return control_of(self.variants)

    @property
    def layers(self) -> tuple[str, ...]:
        """Keys of all layers the experiment takes part in."""
        if self.layer is None:
            return ()
        return (self.layer,) if isinstance(self.layer, str) else self.layer

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Layer slots owned now: those of the last epoch."""
        return self.epochs[-1].claims if self.epochs else ()

    @property
    def unread_halts(self) -> tuple[Halt, ...]:
        """Guardrails that paused it and that nobody has acknowledged yet."""
        return tuple(halt for halt in self.halts if halt.read_at is None)

    @property
    def reweighted(self) -> bool:
        """Whether an exposed customer may stand elsewhere than hash alone says today.

        True once arms moved or traffic shrank; growing traffic moves nobody.
        """
        return any(
            later.arms != earlier.arms or later.traffic < earlier.traffic for earlier, later in pairwise(self.epochs)
        )

    def index_of(self, variant: str) -> int | None:
        """Index of the variant with this key."""
        return next((i for i, arm in enumerate(self.variants) if arm.key == variant), None)

    def offer_keys(self) -> tuple[str, ...]:
        """Keys of the offers of all arms, without repeats, in order of the arms."""
        return tuple(dict.fromkeys(arm.offer for arm in self.variants if arm.offer is not None))


def days_open(experiments: Iterable[Experiment]) -> int:
    """For how many days an event may still change a report: the longest window with its refund window.

    Archived experiments report no more. Without any other, those days count that an experiment has by default.
    """
    spans = [one.window_days + one.refund_days for one in experiments if one.status != "archived"]
    return max(spans, default=WINDOW_DAYS + REFUND_DAYS)


def control_of(variants: tuple[Variant, ...]) -> int | None:
    """Index of the control arm among `variants`, or None when there is none."""
    for i, arm in enumerate(variants):
        if arm.role == "control":
            return i
    for i, arm in enumerate(variants):
        if arm.key == "control" and arm.role is None:
            return i
    bare = [i for i, arm in enumerate(variants) if arm.offer is None and arm.role is None]
    return bare[0] if len(bare) == 1 else None


MAY_CHANGE: Final = ("weights", "allocation", "traffic", "ramp", "auto_pause", "name", "hypothesis")
"""What may change on a started experiment; everything else froze at its start."""


def may_change(status: Status) -> tuple[str, ...]:
    """Settings that may still change in this status; `*` is all of them."""
    if status == "draft":
        return ("*",)
    return MAY_CHANGE if status in ("running", "paused") else ()


def after(experiment: Experiment, action: Action) -> Status:
    """The status that `action` leads to.

    Raises:
        Conflict: the experiment's life has no such step.
    """
    status = _NEXT.get((experiment.status, action))
    if status is None:
        raise Conflict(
            f"experiment {experiment.key!r} is {experiment.status}: it cannot {action}",
            extra={"status": experiment.status, "action": action},
        )
    return status


def moved(experiment: Experiment, action: Action, *, now: int, serve: dict[str, str] | None = None) -> Experiment:
    """The experiment after `action` at `now`; `serve` only with `stop`."""
    status = after(experiment, action)
    change = Change(at=now, status=status, serve=serve or {})
    if status == "archived" and experiment.changes:
        change = structs.replace(change, serve={})
    return structs.replace(
        experiment, status=status, changes=(*experiment.changes, change), revision=experiment.revision + 1
    )


def started_at(experiment: Experiment) -> int:
    """When it first ran, microseconds UTC; the planned start (or zero) of one that never did."""
    first = next((change.at for change in experiment.changes if change.status == "running"), None)
    return first if first is not None else experiment.starts_at or 0


def stopped_at(experiment: Experiment) -> int | None:
    """When it was stopped for good, microseconds UTC; None before."""
    return next((change.at for change in experiment.changes if change.status == "stopped"), None)


def check_experiment(experiment: Experiment) -> None:
    """Refuse an experiment that contradicts itself.

    Raises:
        InvalidDefinition, InvalidPlan: names the field at fault.
    """
    _check_variants(experiment)
    _check_shares({arm.key: arm.weight for arm in experiment.variants}, field="variants.weight")
    for segment, shares in experiment.allocation.items():
        check_allocation(experiment, segment, shares)
    if not 0 < experiment.traffic <= 1:
        raise InvalidPlan(f"traffic {experiment.traffic} is outside (0, 1]", field="traffic")
    if len(set(experiment.layers)) != len(experiment.layers):
        raise InvalidDefinition("a layer stands here twice", field="layer")
    if experiment.holdout is not None and experiment.layers:
        raise InvalidDefinition("a holdout covers a layer, it does not take part in one", field="layer")
    if experiment.holdout is not None and experiment.requires:
        raise InvalidDefinition("a holdout requires nothing: it comes before the experiments", field="requires")
    if len(set(experiment.segments)) != len(experiment.segments):
        raise InvalidDefinition("a segment stands here twice", field="segments")
    _check_metrics(experiment.metrics)
    _check_plan(experiment)
    if experiment.adaptive is not None:
        _check_adaptive(experiment, experiment.adaptive)
    for i, arm in enumerate(experiment.variants):
        _check_value(arm.value, experiment.value_type, f"variants[{i}].value")


def check_allocation(experiment: Experiment, segment: str, shares: dict[str, float]) -> None:
    """Refuse an allocation for a segment that the experiment does not have, or of arms that it has not.

    Raises:
        InvalidDefinition, InvalidPlan: names the field at fault.
    """
    field = f"allocation.{segment}"
    if segment not in experiment.segments:
        raise InvalidDefinition(f"the experiment has no segment {segment!r}", field=field)
    check_weights(experiment, shares, field=field)


def check_weights(experiment: Experiment, shares: dict[str, float], *, field: str = "weights") -> None:
    """Refuse shares that do not name the experiment's arms or do not add up to 1.

    Raises:
        InvalidDefinition, InvalidPlan: names the field at fault.
    """
    known = {arm.key for arm in experiment.variants}
    for key in shares:
        if key not in known:
            raise InvalidDefinition(f"the experiment has no variant {key!r}", field=f"{field}.{key}")
    _check_shares(shares, field=field)


def _check_shares(shares: dict[str, float], *, field: str) -> None:
    for key, share in shares.items():
        if not 0 <= share <= 1:
            raise InvalidPlan(f"weight {share} of {key!r} is outside [0, 1]", field=field)
    total = sum(shares.values())
    if abs(total - 1) > 0.5 / SLOTS:
        raise InvalidPlan(f"weights add up to {total:.6g}, not to 1", field=field)


def _check_variants(experiment: Experiment) -> None:
    arms = experiment.variants
    if not arms:
        raise InvalidDefinition("an experiment has at least one variant", field="variants")
    keys = [arm.key for arm in arms]
    if len(set(keys)) != len(keys):
        raise InvalidDefinition("two variants share a key", field="variants")
    if sum(arm.role == "control" for arm in arms) > 1:
        raise InvalidDefinition("an experiment has at most one control", field="variants")
    if experiment.holdout is not None and set(keys) != {HELD_OUT, PROGRAMME}:
        raise InvalidDefinition(f"a holdout has the arms {HELD_OUT!r} and {PROGRAMME!r}", field="variants")
    if experiment.holdout is not None and any(arm.offer is not None for arm in arms):
        raise InvalidDefinition("the arms of a holdout carry no offer", field="variants")
    for unit, arm_key in experiment.forced.items():
        if arm_key not in keys:
            raise InvalidDefinition(f"the experiment has no variant {arm_key!r}", field=f"forced.{unit}")


def _check_metrics(plan: MetricPlan) -> None:
    if len(plan.custom) > MOST_OWN_METRICS:
        raise InvalidPlan(f"a plan has at most {MOST_OWN_METRICS} metrics of the shop's own", field="metrics")
    for field, keys in (("primary", (plan.primary,)), ("secondary", plan.secondary), ("guardrails", plan.guardrails)):
        for key in keys:
            if key not in METRICS and all(each.key != key for each in plan.custom):
                raise InvalidDefinition(f"no metric is called {key!r}", field=f"metrics.{field}")
    if any(each.key == plan.primary and looks_at_opens(each) for each in plan.custom):
        raise InvalidDefinition(
            "what was opened or seen never decides: machines open mails, and control has nothing to see",
            field="metrics.primary",
        )
    for key, margin in plan.margins.items():
        if key not in plan.guardrails:
            raise InvalidDefinition(f"{key!r} is no guardrail of this experiment", field=f"metrics.margins.{key}")
        if not 0 <= margin <= 1:
            raise InvalidPlan(f"a margin of {margin} is outside [0, 1]", field=f"metrics.margins.{key}")


def _check_adaptive(experiment: Experiment, adaptive: Adaptive) -> None:
    if experiment.holdout is not None:
        raise InvalidDefinition("a holdout keeps its weights", field="adaptive")
    check_adaptive(
        adaptive,
        arms=len(experiment.variants),
        kind=experiment.metrics.definition(experiment.metrics.primary).kind,
        sequential=experiment.analysis.sequential,
        segmented=bool(experiment.allocation),
    )


def _check_plan(experiment: Experiment) -> None:
    plan = experiment.analysis
    if not 0 < plan.alpha < 0.5:  # noqa: PLR2004 - an error rate of one half says nothing
        raise InvalidPlan(f"alpha {plan.alpha} is outside (0, 0.5)", field="analysis.alpha")
    if not 0.5 <= plan.power < 1:  # noqa: PLR2004 - likewise
        raise InvalidPlan(f"power {plan.power} is outside [0.5, 1)", field="analysis.power")
    if not 0 < plan.mde <= 10:  # noqa: PLR2004 - a tenfold lift is a typing error
        raise InvalidPlan(f"mde {plan.mde} is outside (0, 10]", field="analysis.mde")
    if not 0 < experiment.window_days <= 730:  # noqa: PLR2004 - two years
        raise InvalidPlan("window_days is outside 1 to 730", field="window_days")
    if not 0 <= experiment.refund_days <= 730:  # noqa: PLR2004 - two years
        raise InvalidPlan("refund_days is outside 0 to 730", field="refund_days")
    if plan.sequential == "group" and experiment.ends_at is None:
        raise InvalidPlan("group sequential looks need a planned end", field="ends_at")
    if (
        experiment.starts_at is not None
        and experiment.ends_at is not None
        and experiment.ends_at <= experiment.starts_at
    ):
        raise InvalidPlan("the end does not come after the start", field="ends_at")


def _check_value(value: object, value_type: ValueType, field: str) -> None:
    fits = {
        "string": isinstance(value, str),
        "boolean": isinstance(value, bool),
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "object": isinstance(value, dict),
    }
    if value is not None and not fits[value_type]:
        raise InvalidDefinition(f"{value!r} is no {value_type}", field=field)


def value_of(experiment: Experiment, index: int) -> object:
    """What a flag client gets for this arm: its value, or its key where none was given.

    A `number` always leaves as a float: strict clients refuse an integer there.
    """
    arm = experiment.variants[index]
    if arm.value is None:
        return arm.key
    return float(arm.value) if experiment.value_type == "number" and isinstance(arm.value, int) else arm.value
