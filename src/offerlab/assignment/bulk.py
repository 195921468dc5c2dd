"""One experiment for many customers at once: arrays in, arrays out.

The hash is the same as for one; what is done with it (slots, gates, arms, propensities) is arithmetic on columns.
Offers are not looked at: whether one may be shown is asked where it is sent.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import islice
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from offerlab.assignment.columns import Truths, Values, select
from offerlab.assignment.hashing import end_of
from offerlab.assignment.plan import Gate, Plan, Split
from offerlab.assignment.ruleset import Ruleset
from offerlab.domain.customer import Assignment
from offerlab.domain.experiment import EVERYONE, HELD_OUT, SLOTS
from offerlab.domain.requirement import Requirement
from offerlab.errors import Conflict, NotFound

_CHUNK: Final = 1 << 14
_SLOTS: Final = np.uint64(SLOTS)
_HALF: Final = np.uint64(32)
_LOW: Final = np.uint64(0xFFFF_FFFF)


class Assigned(Struct, frozen=True):
    """One line per customer, in their order.

    Attributes:
        enrolled: whether the decision would be SPLIT.
        variant: index of the arm, -1 outside. bucket: slot of the arm's hash, -1 outside.
        propensity: probability of that arm given enrolment, nan outside.
        epoch: of the assignment, 0 outside.
    """

    enrolled: Truths
    variant: NDArray[np.int16]
    bucket: NDArray[np.int32]
    propensity: NDArray[np.float64]
    epoch: NDArray[np.int32]


def assign(
    ruleset: Ruleset,
    experiment: str,
    units: Sequence[str],
    *,
    now: int,
    columns: Mapping[str, Values] | None = None,
    known: Mapping[int, Assignment] | None = None,
    others: Mapping[str, Mapping[int, Assignment]] | None = None,
) -> Assigned:
    """Assign customers to the arms of a running experiment, as `decide` does for each.

    Args:
        ruleset: compiled rules.
        experiment: key.
        units: customer ids as `naming.unit_of` leaves them.
        now: microseconds UTC.
        columns: attributes by name, for experiments with segments.
        known: by place in `units`, first exposures of customers already in the experiment.
        others: the same in experiments that this one requires, by their keys.

    Raises:
        NotFound: no such experiment at that time.
        Conflict: it does not run, or is a holdout.
    """
    plan = ruleset.at(now).by_key.get(experiment)
    if plan is None:
        raise NotFound(f"no experiment has the key {experiment!r}")
    if plan.status != "running" or plan.is_holdout:
        raise Conflict(f"experiment {experiment!r} is {plan.status}: nobody is assigned", extra={"status": plan.status})
    call = _Call(ruleset, units, columns or {}, now, others or {})
    assigned = call.drawn(plan, ~call.held_out(plan) if plan.holdouts else call.everybody())
    for place, _ in call.testers(plan):
        _keep(assigned, place, None)
    for place, one in (known or {}).items():
        if units[place] not in plan.forced:
            _keep(assigned, place, one)
    return assigned


def slots(prefix: bytes, units: Iterable[str]) -> NDArray[np.uint64]:
    """Slots of many units in one draw; `prefix` is `hashing.prefix(salt)`."""
    heads = [np.frombuffer(digests, dtype=">u8")[::4] for digests in _digests(prefix, iter(units))]
    head = np.concatenate(heads).astype(np.uint64) if heads else np.zeros(0, dtype=np.uint64)
    low = (head & _LOW) * _SLOTS >> _HALF
    return ((head >> _HALF) * _SLOTS + low) >> _HALF


def _digests(prefix: bytes, units: Iterator[str]) -> Iterator[bytes]:
    while chunk := [sha256(prefix + unit.encode()).digest() for unit in islice(units, _CHUNK)]:
        yield b"".join(chunk)


class _Call:
    """Customers on their way through the gates."""

    def __init__(
        self,
        ruleset: Ruleset,
        units: Sequence[str],
        columns: Mapping[str, Values],
        now: int,
        others: Mapping[str, Mapping[int, Assignment]],
    ) -> None:
        self.ruleset = ruleset
        self.units = units
        self.columns = columns
        self.now = now
        self.others = others
        self.view = ruleset.at(now)
        self.standings: dict[str, NDArray[np.int16]] = {}

    def everybody(self) -> Truths:
        return np.ones(len(self.units), dtype=np.bool_)

    def held_out(self, plan: Plan) -> Truths:
        """Customers in the first arm of any holdout over the experiment."""
        held = ~self.everybody()
        for holdout in plan.holdouts:
            arms = self.drawn(holdout, self.everybody())
            for place, variant in self.testers(holdout):
                arms.variant[place] = variant
            held |= arms.variant == holdout.experiment.index_of(HELD_OUT)
        return held

    def testers(self, plan: Plan) -> list[tuple[int, int]]:
        """Places of the experiment's testers, with the arm they see."""
        if not plan.forced:
            return []
        return [(place, plan.forced[unit].variant) for place, unit in enumerate(self.units) if unit in plan.forced]

    def drawn(self, plan: Plan, inside: Truths) -> Assigned:
        """Everybody through audience, layers, traffic and arms."""
        segment = self._segments(plan)
        inside = inside & (segment != -1) if plan.segments else inside
        for one in plan.requires:
            inside = inside & (self._stands(one) == one.holds)
        for gate in (*plan.layers, *([] if plan.traffic is None else [plan.traffic])):
            inside = self._through(gate, inside)
        assigned = Assigned(
            inside,
            np.full(len(self.units), -1, dtype=np.int16),
            np.full(len(self.units), -1, dtype=np.int32),
            np.full(len(self.units), np.nan),
            np.zeros(len(self.units), dtype=np.int32),
        )
        drawn = self._slots_of(plan.prefix, inside)
        assigned.bucket[inside] = drawn
        for i, key in enumerate([key for key, _ in plan.segments] or [None]):
            chosen = inside & (segment == i) if plan.segments else inside
            _deal(assigned, chosen, plan.splits[key or EVERYONE])
        return assigned

    def _stands(self, one: Requirement) -> Truths:
        """Who is in one of the arms that are asked for."""
        standing = self._standing(one.experiment)
        plan = self.view.by_key.get(one.experiment)
        inside: Truths = standing != -1
        if plan is None or not one.variants:
            return inside
        wanted = [index for variant in one.variants if (index := plan.experiment.index_of(variant)) is not None]
        return np.asarray(np.isin(standing, wanted), dtype=np.bool_)

    def _standing(self, key: str) -> NDArray[np.int16]:
        """Everybody's arm in another experiment, whatever the moment; -1 in none."""
        known = self.standings.get(key)
        if known is not None:
            return known
        nowhere = np.full(len(self.units), -1, dtype=np.int16)
        self.standings[key] = nowhere  # what requires itself, however many steps away, is not met
        plan = self.view.by_key.get(key)
        if plan is None or plan.is_holdout:
            return nowhere
        inside = ~self.held_out(plan) if plan.holdouts else self.everybody()
        found = self.drawn(plan, inside).variant if plan.status == "running" else self._served(plan, inside)
        if plan.status == "running":
            for place, variant in self.testers(plan):
                found[place] = variant
            for place, stored in self.others.get(key, {}).items():
                if self.units[place] not in plan.forced:
                    found[place] = stored.variant
        self.standings[key] = found
        return found

    def _served(self, plan: Plan, inside: Truths) -> NDArray[np.int16]:
        found = np.full(len(self.units), -1, dtype=np.int16)
        if plan.serve is None:
            return found
        for one in plan.requires:
            inside = inside & (self._stands(one) == one.holds)
        segment = self._segments(plan)
        for i, key in enumerate([key for key, _ in plan.segments] or [EVERYONE]):
            outcome = plan.serve.get(key) or plan.serve.get(EVERYONE)
            if outcome is not None:
                found[inside & (segment == i) if plan.segments else inside] = outcome.variant
        return found

    def _segments(self, plan: Plan) -> NDArray[np.int16]:
        """Place of each customer's first segment among the experiment's, -1 in none."""
        found = np.full(len(self.units), -1, dtype=np.int16)
        rules = {segment.key: segment.rule for segment in self.ruleset.rules.segments}
        for i, (key, _) in reversed(list(enumerate(plan.segments))):
            if key in rules:
                found[select(rules[key], self.columns, customers=len(self.units), now=self.now)] = i
        return found

    def _slots_of(self, prefix: bytes, inside: Truths) -> NDArray[np.uint64]:
        if inside.all():
            return slots(prefix, self.units)
        return slots(prefix, (self.units[i] for i in np.flatnonzero(inside).tolist()))

    def _through(self, gate: Gate, inside: Truths) -> Truths:
        passed = inside.copy()
        cuts = np.array([end_of(cut) for cut in gate.cuts])
        passed[inside] = np.searchsorted(cuts, self._slots_of(gate.prefix, inside), side="right") % 2 == 1
        return passed


def _deal(assigned: Assigned, chosen: Truths, split: Split) -> None:
    ends = np.array([end_of(cut) for cut in split.cuts], dtype=np.int64)
    place = np.searchsorted(ends, assigned.bucket[chosen], side="right")
    assigned.variant[chosen] = np.array([one.variant for one in split.outcomes], dtype=np.int16)[place]
    assigned.propensity[chosen] = np.array([one.propensity for one in split.outcomes], dtype=np.float64)[place]
    assigned.epoch[chosen] = np.array([one.epoch for one in split.outcomes], dtype=np.int32)[place]


def _keep(assigned: Assigned, place: int, one: Assignment | None) -> None:
    """Write what was stored over what was drawn; None leaves the customer outside."""
    assigned.enrolled[place] = one is not None
    assigned.variant[place] = -1 if one is None else one.variant
    assigned.bucket[place] = -1 if one is None else one.bucket
    assigned.propensity[place] = np.nan if one is None else one.propensity
    assigned.epoch[place] = 0 if one is None else one.epoch
