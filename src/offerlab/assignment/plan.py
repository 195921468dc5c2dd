"""One experiment in one period of its life, with everything looked up beforehand that a decision needs.

A period lies between two changes of status or weights. What a plan holds is a constant of the period, so a decision
is left with dictionary look-ups and one hash. A gate at 100 %, no holdout and no layer leave no trace here at all.
"""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from offerlab.assignment.allocation import Ranges, gate_of, width
from offerlab.assignment.hashing import arm_salt, cut, prefix, salt_of
from offerlab.assignment.matching import Shelf
from offerlab.assignment.moment import Moment, moment_of
from offerlab.assignment.suppress import Display, display_of
from offerlab.domain.decision import Decision, Outcome, Reason
from offerlab.domain.experiment import EVERYONE, SLOTS, Change, Claim, Epoch, Experiment, Status, value_of
from offerlab.domain.offer import Offer
from offerlab.domain.project import ProjectSettings
from offerlab.domain.requirement import Requirement

OUTSIDE: Final[tuple[Reason, ...]] = (
    "HOLDOUT",
    "NOT_IN_SEGMENT",
    "NOT_IN_TRAFFIC",
    "EXCLUDED_BY_LAYER",
    "PREREQUISITE",
    "NOT_RUNNING",
    "NO_CONTEXT_MATCH",
    "NO_UNIT",
)
"""Reasons that leave a customer with the control arm."""


class Split(Struct, frozen=True):
    """Arms by hash: `outcomes[i]` belongs to digests from `cuts[i-1]` up to below `cuts[i]`."""

    cuts: tuple[bytes, ...]
    outcomes: tuple[Outcome, ...]


class Gate(Struct, frozen=True):
    """A draw that lets some through: digests of `prefix + unit` inside `cuts`, taken in pairs `[start, end)`."""

    prefix: bytes
    cuts: tuple[bytes, ...]


class Plan(Struct, frozen=True, kw_only=True, eq=False):
    """What one experiment does with whoever comes, in one period of its life.

    Attributes:
        direct: it runs, and nothing but its door and the arm's hash stands before the arms of somebody not yet in one.
        door: number of its moment and segments together; whoever may pass is found out once for all that share it.
        open: no gate stands before the arms.
        prefix: hashed before the unit to draw the arm. splits: the arms by segment, `EVERYONE`'s among them.
        segments: (key, place in the ruleset's list of rules), in order of priority; empty means everyone.
        reads: attributes that these rules look at.
        moment: None when every context fits.
        forced: testers and what they see.
        holdouts: plans of the running holdouts that cover this experiment.
        requires: where the customer has to stand in other experiments.
        layers, traffic: gates that are not wide open.
        serve: after a stop, what is served by segment; None while it was not said.
        outside: what everybody else gets, by reason; settled unless control has an offer of its own.
        displays: the offer of each arm.
        assigned: outcome of an exposed customer by (epoch, segment, variant).
    """

    experiment: Experiment
    id: int
    key: str
    status: Status
    direct: bool
    door: int
    open: bool
    prefix: bytes
    splits: dict[str, Split]
    segments: tuple[tuple[str, int], ...]
    reads: frozenset[str]
    moment: Moment | None
    forced: dict[str, Outcome]
    holdouts: "tuple[Plan, ...]"
    requires: tuple[Requirement, ...]
    layers: tuple[Gate, ...]
    traffic: Gate | None
    serve: dict[str, Outcome] | None
    outside: dict[Reason, Decision]
    assigned: dict[tuple[int, str | None, int], Outcome]
    by_anonymous: bool
    is_holdout: bool
    displays: tuple[Display | None, ...]


class Maker(Struct, frozen=True):
    """What plans are made of, besides the experiment.

    Attributes:
        offers: by key. shelf: the catalogue. settings: of the project.
        rules: place of each segment's rule by segment key, in order of priority.
        reads: attributes looked at, by segment key.
        number: hands out the outcomes' numbers.
        moments: those made so far; equal ones are one, so that a request looks at each only once.
        doors: numbers of moments with segments, those seen so far.
    """

    offers: Mapping[str, Offer]
    shelf: Shelf
    settings: ProjectSettings
    rules: Mapping[str, int]
    reads: Mapping[str, frozenset[str]]
    number: Callable[[], int]
    moments: dict[Moment, Moment]
    doors: dict[tuple[Moment, tuple[tuple[str, int], ...]], int]

    def plan(self, experiment: Experiment, change: Change, epoch: Epoch | None, holdouts: tuple[Plan, ...]) -> Plan:
        """The plan of `experiment` while `change` and `epoch` are its latest."""
        moment = moment_of(offer for key in experiment.offer_keys() if (offer := self.offers.get(key)) is not None)
        moment = self.moments.setdefault(moment, moment)
        segments = tuple((key, self.rules[key]) for key in sorted(experiment.segments, key=self._place))
        layers, traffic = (_layer_gates(epoch.claims), _traffic_gate(experiment, epoch)) if epoch else ((), None)
        gated = holdouts or experiment.requires or layers or traffic or experiment.forced or experiment.holdout
        return Plan(
            experiment=experiment,
            id=experiment.id,
            key=experiment.key,
            status=change.status,
            direct=change.status == "running" and not gated and experiment.bucket_by == "customer_id",
            door=self.doors.setdefault((moment, segments), len(self.doors)),
            open=not (segments or experiment.requires or layers or traffic),
            prefix=prefix(arm_salt(experiment)),
            splits={key: self._split(experiment, epoch, key) for key in (EVERYONE, *experiment.segments)},
            segments=segments,
            reads=frozenset[str]().union(*(self.reads.get(key, frozenset()) for key in experiment.segments)),
            moment=None if moment.is_any else moment,
            forced={unit: self._of_key(experiment, key, "FORCED") for unit, key in experiment.forced.items()},
            holdouts=holdouts,
            requires=experiment.requires,
            layers=layers,
            traffic=traffic,
            serve=self._serve(experiment, change),
            outside={reason: Decision(self._outside(experiment, reason)) for reason in OUTSIDE},
            assigned=self._assigned(experiment),
            by_anonymous=experiment.bucket_by == "anonymous_id",
            is_holdout=experiment.holdout is not None,
            displays=self._displays(experiment, moment),
        )

    def _displays(self, experiment: Experiment, moment: Moment) -> tuple[Display | None, ...]:
        offers = [None if arm.offer is None else self.offers.get(arm.offer) for arm in experiment.variants]
        return tuple(
            None if offer is None else display_of(offer, self.shelf, self.settings, moment=moment, salt=experiment.salt)
            for offer in offers
        )

    def _place(self, segment: str) -> int:
        return self.rules[segment]

    def outcome(
        self,
        experiment: Experiment,
        variant: int,
        reason: Reason,
        *,
        segment: str | None = None,
        propensity: float | None = None,
        epoch: int | None = None,
        number: bool = True,
    ) -> Outcome:
        """What an answer says about this arm; without `number` it is one made on the spot."""
        arm = experiment.variants[variant]
        return Outcome(
            index=self.number() if number else -1,
            experiment_id=experiment.id,
            experiment=experiment.key,
            variant=variant,
            variant_key=arm.key,
            reason=reason,
            value=value_of(experiment, variant),
            segment=segment,
            propensity=propensity,
            epoch=epoch,
            offer=None if arm.offer is None else self.offers.get(arm.offer),
        )

    def _of_key(self, experiment: Experiment, key: str, reason: Reason) -> Outcome:
        return self.outcome(experiment, experiment.index_of(key) or 0, reason)

    def _outside(self, experiment: Experiment, reason: Reason) -> Outcome:
        control = experiment.control
        outcome = self.outcome(experiment, control or 0, reason)
        if control is None or reason == "NO_CONTEXT_MATCH":  # its offer belongs to another moment
            return without_offer(outcome)
        return outcome

    def _serve(self, experiment: Experiment, change: Change) -> dict[str, Outcome] | None:
        if change.status != "stopped" or not change.serve or experiment.holdout is not None:
            return None
        return {segment: self._of_key(experiment, key, "SHIPPED") for segment, key in change.serve.items()}

    def _split(self, experiment: Experiment, epoch: Epoch | None, segment: str) -> Split:
        if epoch is None:
            return Split((), ())
        ranges = _ranges(epoch, segment)
        name = None if segment == EVERYONE else segment
        made = {
            piece.variant: self.outcome(
                experiment,
                piece.variant,
                "SPLIT",
                segment=name,
                propensity=width(ranges, piece.variant) / SLOTS,
                epoch=epoch.number,
            )
            for piece in ranges
        }
        return Split(tuple(cut(piece.end) for piece in ranges[:-1]), tuple(made[piece.variant] for piece in ranges))

    def _assigned(self, experiment: Experiment) -> dict[tuple[int, str | None, int], Outcome]:
        made: dict[tuple[int, str | None, int], Outcome] = {}
        for epoch in experiment.epochs:
            for segment in experiment.segments or (None,):
                for outcome in self._split(experiment, epoch, segment or EVERYONE).outcomes:
                    made[epoch.number, segment, outcome.variant] = outcome
        return made


def without_offer(outcome: Outcome) -> Outcome:
    """The same answer with nothing to show."""
    return Outcome(
        index=outcome.index,
        experiment_id=outcome.experiment_id,
        experiment=outcome.experiment,
        variant=outcome.variant,
        variant_key=outcome.variant_key,
        reason=outcome.reason,
        value=outcome.value,
    )


def _ranges(epoch: Epoch, segment: str) -> Ranges:
    return epoch.arms.get(segment, epoch.arms[EVERYONE])


def _traffic_gate(experiment: Experiment, epoch: Epoch) -> Gate | None:
    gate = gate_of(epoch)
    if gate >= SLOTS:
        return None
    return Gate(prefix(salt_of(experiment.salt, "traffic")), (cut(0), cut(gate)))


def _layer_gates(claims: tuple[Claim, ...]) -> tuple[Gate, ...]:
    return tuple(
        Gate(prefix(salt_of(claim.salt, "layer")), tuple(cut(end) for pair in claim.slots for end in pair))
        for claim in claims
        if claim.slots != ((0, SLOTS),)
    )
