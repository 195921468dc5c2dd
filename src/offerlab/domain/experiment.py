"""An experiment: arms, who enters, what is measured, and what has happened to it so far."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Final, Literal

from msgspec import Struct

from offerlab.domain.adaptive import Adaptive
from offerlab.domain.approval import Proposal
from offerlab.domain.halt import Halt
from offerlab.domain.metric import METRICS, CustomMetric, Metric, Role
from offerlab.domain.requirement import Requirement

Status = Literal["draft", "running", "paused", "stopped", "archived"]
ValueType = Literal["string", "boolean", "integer", "number", "object"]
Sequential = Literal["group", "always", "fixed"]
Conclusion = Literal["ship", "keep_control", "undecided", "invalid"]

SLOTS: Final = 1_000_000
"""Arms, gates and layers are ranges of this many hash slots: a share is exact to one in a million."""

WINDOW_DAYS: Final = 14
REFUND_DAYS: Final = 30
"""An experiment's windows where it names none."""

EVERYONE: Final = ""
"""The key of the allocation for customers whose segment has none of its own."""

HELD_OUT: Final = "held_out"
PROGRAMME: Final = "programme"
"""The two arms of a holdout: kept from all offers that it covers, and everybody else."""


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
        bases: by arm with an upsell, the catalogue price at the start of what the upgrade is bought instead of, in
            millionths: an upgrade is worth what is paid beyond that.
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
    bases: dict[str, int] = {}
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


def value_of(experiment: Experiment, index: int) -> object:
    """What a flag client gets for this arm: its value, or its key where none was given.

    A `number` always leaves as a float: strict clients refuse an integer there.
    """
    arm = experiment.variants[index]
    if arm.value is None:
        return arm.key
    return float(arm.value) if experiment.value_type == "number" and isinstance(arm.value, int) else arm.value
