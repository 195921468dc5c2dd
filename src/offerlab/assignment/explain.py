"""Why a customer got an answer: every gate in its order, passed or not, with the numbers of the hash.

For people, not for speed. It asks every gate, also those behind a closed one; the first closed gate's reason is the
decision's (a law of the tests).
"""

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from offerlab.assignment.allocation import Slots, gate_of
from offerlab.assignment.decide import decide
from offerlab.assignment.hashing import arm_salt, bucket, salt_of
from offerlab.assignment.passage import Passage
from offerlab.assignment.plan import Plan
from offerlab.assignment.ruleset import Ruleset
from offerlab.domain.customer import CustomerState
from offerlab.domain.decision import Decision, Reason, Request
from offerlab.domain.experiment import EVERYONE, HELD_OUT, SLOTS, Epoch
from offerlab.domain.requirement import Requirement

GateName = Literal[
    "life",
    "moment",
    "unit",
    "forced",
    "assigned",
    "holdout",
    "segment",
    "prerequisite",
    "layer",
    "traffic",
    "arm",
    "offer",
]


class GateSeen(Struct, frozen=True, kw_only=True):
    """One gate and this customer.

    Attributes:
        passed: whether the customer goes on to the next gate.
        reason: what the decision says if this is the first gate not passed; None for the last two.
        salt: of the draw. bucket: the customer's slot of it. slots: those that pass (arm: those of the arm drawn).
        detail: one sentence.
    """

    gate: GateName
    passed: bool
    detail: str
    reason: Reason | None = None
    salt: str | None = None
    bucket: int | None = None
    slots: Slots | None = None


class Explanation(Struct, frozen=True, kw_only=True):
    """One experiment's gates, in order, and what came out."""

    experiment: str
    variant: str
    reason: Reason
    gates: list[GateSeen]


def explain(ruleset: Ruleset, state: CustomerState, request: Request, now: int) -> list[Explanation]:
    """Explain every decision that `decide` gives for the same arguments."""
    view = ruleset.at(now)
    passage = Passage(ruleset, view, state, request, now, None if request.unit is None else request.unit.encode())
    return [
        Explanation(
            experiment=decision.experiment,
            variant=decision.variant_key,
            reason=decision.reason,
            gates=[*_gates(passage, view.by_key[decision.experiment], decision), _offer(decision)],
        )
        for decision in decide(ruleset, state, request, now).decisions
    ]


def _gates(passage: Passage, plan: Plan, decision: Decision) -> Iterator[GateSeen]:
    yield _life(plan)
    if not plan.is_holdout:
        yield _moment(plan.moment is None or plan.moment.fits(passage.request.context))
    if plan.serve is None:
        yield from _person(passage, plan)
    for holdout in plan.holdouts:
        yield _holdout(passage, holdout)
    segment = passage.segment(plan)
    yield _audience(plan, segment)
    for one in plan.requires:
        yield _required(passage, one)
    unit = _unit(passage, plan)
    epoch = _epoch(plan, passage.now)
    if plan.serve is None and unit is not None and epoch is not None:
        yield from _draws(plan, epoch, unit, segment)
    if plan.is_holdout:
        yield _moment(decision.reason != "NO_CONTEXT_MATCH")


def _unit(passage: Passage, plan: Plan) -> str | None:
    request = passage.request
    return request.anonymous if plan.by_anonymous and request.anonymous is not None else request.unit


def _moment(fits: bool) -> GateSeen:  # noqa: FBT001 - the finding itself
    return GateSeen(
        gate="moment",
        passed=fits,
        reason="NO_CONTEXT_MATCH",
        detail="the moment is the experiment's own" if fits else "this is not the experiment's moment",
    )


def _person(passage: Passage, plan: Plan) -> Iterator[GateSeen]:
    request, experiment = passage.request, plan.experiment
    unit = _unit(passage, plan)
    yield GateSeen(
        gate="unit",
        passed=unit is not None,
        reason="NO_UNIT",
        detail="nobody is named" if unit is None else f"bucketed by {experiment.bucket_by}",
    )
    testers = [name for name in (request.unit, request.anonymous) if name is not None and name in experiment.forced]
    yield GateSeen(
        gate="forced",
        passed=not testers,
        reason="FORCED",
        detail=f"a tester of {experiment.forced[testers[0]]!r}" if testers else "no tester",
    )
    assigned = passage.state.assignments.get(plan.id)
    yield GateSeen(
        gate="assigned",
        passed=assigned is None,
        reason="SPLIT",
        bucket=None if assigned is None else assigned.bucket,
        detail="never exposed before"
        if assigned is None
        else f"exposed in epoch {assigned.epoch} in {experiment.variants[assigned.variant].key!r}",
    )


def _life(plan: Plan) -> GateSeen:
    serving = plan.serve is not None
    return GateSeen(
        gate="life",
        passed=plan.status == "running" or serving,
        reason="NOT_RUNNING",
        detail=f"{plan.status}, and serves an arm" if serving else plan.status,
    )


def _holdout(passage: Passage, holdout: Plan) -> GateSeen:
    decision = passage.holdout(holdout)
    held = decision.variant_key == HELD_OUT and decision.reason in {"SPLIT", "FORCED"}
    return GateSeen(
        gate="holdout",
        passed=not held,
        reason="HOLDOUT",
        salt=arm_salt(holdout.experiment),
        bucket=decision.bucket,
        detail=f"{decision.variant_key!r} of {holdout.key!r} ({decision.reason})",
    )


def _audience(plan: Plan, segment: str | None) -> GateSeen:
    passed = segment is not None or not plan.segments
    if plan.serve is not None:
        passed = passed and bool({segment or EVERYONE, EVERYONE} & plan.serve.keys())
    if not plan.segments:
        detail = "the experiment is for everyone"
    else:
        detail = "in none of its segments" if segment is None else f"belongs to {segment!r}"
    return GateSeen(gate="segment", passed=passed, reason="NOT_IN_SEGMENT", detail=detail)


def _required(passage: Passage, one: Requirement) -> GateSeen:
    arm = passage.standing(one.experiment)
    inside = arm is not None and (not one.variants or arm in one.variants)
    wanted = " or ".join(repr(variant) for variant in one.variants) or "any arm"
    stands = "is in no arm" if arm is None else f"is in {arm!r}"
    asked = "has to be" if one.holds else "must not be"
    return GateSeen(
        gate="prerequisite",
        passed=inside is one.holds,
        reason="PREREQUISITE",
        detail=f"{stands} of {one.experiment!r}, {asked} in {wanted}",
    )


def _epoch(plan: Plan, now: int) -> Epoch | None:
    begun = [epoch for epoch in plan.experiment.epochs if epoch.started_at <= now]
    return begun[-1] if begun else None


def _draws(plan: Plan, epoch: Epoch, unit: str, segment: str | None) -> Iterator[GateSeen]:
    for claim in epoch.claims:
        salt = salt_of(claim.salt, "layer")
        yield _draw("layer", salt, unit, claim.slots, "EXCLUDED_BY_LAYER", f"slots of layer {claim.layer!r}")
    salt = salt_of(plan.experiment.salt, "traffic")
    yield _draw("traffic", salt, unit, ((0, gate_of(epoch)),), "NOT_IN_TRAFFIC", f"traffic {epoch.traffic:g}")
    ranges = epoch.arms.get(segment or EVERYONE, epoch.arms[EVERYONE])
    salt = arm_salt(plan.experiment)
    slot = bucket(salt, unit)
    drawn = next(piece.variant for piece in ranges if slot < piece.end)
    yield GateSeen(
        gate="arm",
        passed=True,
        salt=salt,
        bucket=slot,
        slots=tuple((piece.start, piece.end) for piece in ranges if piece.variant == drawn),
        detail=f"{plan.experiment.variants[drawn].key!r} by the hash of epoch {epoch.number}",
    )


def _draw(gate: GateName, salt: str, unit: str, slots: Slots, reason: Reason, what: str) -> GateSeen:
    slot = bucket(salt, unit)
    share = sum(end - start for start, end in slots) / SLOTS
    return GateSeen(
        gate=gate,
        passed=any(start <= slot < end for start, end in slots),
        reason=reason,
        salt=salt,
        bucket=slot,
        slots=slots,
        detail=f"{what}: {share:.4%} pass",
    )


def _offer(decision: Decision) -> GateSeen:
    offer = decision.outcome.offer
    if offer is None:
        return GateSeen(gate="offer", passed=False, detail="this arm shows no offer here")
    if decision.withheld is not None:
        return GateSeen(gate="offer", passed=False, detail=f"{offer.key!r} is withheld: {decision.withheld}")
    return GateSeen(gate="offer", passed=True, detail=f"shows {offer.key!r} with {', '.join(decision.products) or '-'}")
