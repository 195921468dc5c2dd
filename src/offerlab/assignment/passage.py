"""One request on its way through the gates; `decide.py` says which they are and in what order.

What several experiments ask for is found once: attributes, segments, layers, holdouts.
"""

from bisect import bisect_right
from hashlib import sha256
from typing import Final

from msgspec import Struct

from offerlab.assignment.moment import Moment
from offerlab.assignment.plan import Gate, Plan, Split
from offerlab.assignment.profile import attributes_of
from offerlab.assignment.rules import Attributes
from offerlab.assignment.ruleset import Ruleset, View
from offerlab.assignment.suppress import Case, is_sent, is_undisturbed, judge, on_page, preview
from offerlab.domain.customer import Assignment, CustomerState
from offerlab.domain.decision import Decision, Outcome, Reason, Request
from offerlab.domain.experiment import EVERYONE, HELD_OUT

_IN_AN_ARM: Final[frozenset[Reason]] = frozenset(("SPLIT", "FORCED"))


class Passage(Struct):
    """Who asks, when, under which rules; and what was found out on the way.

    Attributes:
        encoded: the unit in UTF-8, None for nobody.
        moments: by identity, whether they are the request's. doors: by `Plan.door`, the reason that keeps the request
            out, or the segment in which it may pass.
        segments: by an experiment's segments, the first that the customer belongs to. holds: by place of its rule,
            whether it holds. layers: digests by what was hashed. held: arms by holdout.
        standings: arms in the experiments that others require, by key; None where nobody asked.
        asked: place among the decisions and plan of every holdout that was asked for.
        reached: holdouts whose moment has come.
    """

    ruleset: Ruleset
    view: View
    state: CustomerState
    request: Request
    now: int
    encoded: bytes | None
    moments: dict[int, bool] = {}
    doors: dict[int, tuple[Reason | None, str]] = {}
    segments: dict[tuple[tuple[str, int], ...], str | None] = {}
    holds: dict[int, bool] = {}
    layers: dict[bytes, bytes] = {}
    held: dict[int, Decision] = {}
    asked: list[tuple[int, Plan]] = []
    reached: set[int] = set()
    standings: dict[str, str | None] | None = None
    attributes: Attributes | None = None
    case: Case | None = None

    def answer(self, place: int, plan: Plan) -> Decision:
        """The decision at this place of the answer."""
        if not plan.is_holdout:
            return self.experiment(plan)
        self.asked.append((place, plan))
        return self.holdout(plan)

    def door(self, plan: Plan) -> tuple[Reason | None, str]:
        """Whether moment and audience let the request pass, for every experiment that has the same."""
        door: tuple[Reason | None, str] = (None, EVERYONE)
        if plan.moment is not None and not self._fits(plan.moment):
            door = "NO_CONTEXT_MATCH", EVERYONE
        elif plan.segments:
            segment = self.segment(plan)
            door = ("NOT_IN_SEGMENT", EVERYONE) if segment is None else (None, segment)
        self.doors[plan.door] = door
        return door

    def experiment(self, plan: Plan) -> Decision:
        """The answer of an experiment that is no holdout."""
        if plan.status != "running":
            return self._stopped(plan)
        if plan.moment is not None and not self._fits(plan.moment):
            return plan.outside["NO_CONTEXT_MATCH"]
        unit = self.encoded if not plan.by_anonymous else self._anonymous()
        if unit is None:
            return self.outside(plan, "NO_UNIT")
        if plan.forced and (forced := self._forced(plan)) is not None:
            return self.shown(plan, forced)
        assigned = self.state.assignments.get(plan.id)
        if assigned is not None:
            self._reach(plan)
            return self.shown(plan, self._outcome_of(plan, assigned), assigned.bucket)
        if plan.holdouts and self._is_held(plan):
            if isinstance(self._open(plan, unit), Split):
                self._reach(plan)
            return self.outside(plan, "HOLDOUT")
        return self._drawn(plan, unit)

    def holdout(self, plan: Plan) -> Decision:
        """In which arm of a holdout the customer stands; whether its moment has come is seen in `finish`."""
        if plan.status != "running":
            return plan.outside["NOT_RUNNING"]
        known = self.held.get(plan.id)
        if known is None:
            known = self.held[plan.id] = self._joined(plan)
        return known

    def finish(self, decisions: list[Decision]) -> list[Decision]:
        """Settle what only the whole answer shows: whose moment has come, and how many offers a page holds.

        Returns:
            Decisions of holdouts that nobody asked for and whose moment came along.
        """
        for place, plan in self.asked:
            if decisions[place].outcome.reason == "SPLIT" and not self._has_come(plan, decisions):
                decisions[place] = plan.outside["NO_CONTEXT_MATCH"]
        if self.ruleset.settings.slots is not None:
            self._fill_slots(decisions, self.ruleset.settings.slots)
        if not self.reached:
            return []
        along: list[Decision] = []
        for one in self.view.holdouts:
            if one.id in self.reached and one not in (plan for _, plan in self.asked):
                decision = self.holdout(one)
                if decision.outcome.reason == "SPLIT":
                    along.append(decision)
        return along

    def _drawn(self, plan: Plan, unit: bytes) -> Decision:
        split = plan.splits[EVERYONE]
        if not plan.open:
            found = self._open(plan, unit)
            if not isinstance(found, Split):
                return self.outside(plan, found)
            split = found
        if plan.holdouts:
            self._reach(plan)
        draw = sha256(plan.prefix + unit).digest()
        outcome = split.outcomes[bisect_right(split.cuts, draw)]
        return Decision(outcome, draw) if outcome.offer is None else self.shown(plan, outcome, draw)

    def _fits(self, moment: Moment) -> bool:
        """Whether the request's moment is this one; experiments with equal moments share one (see `Maker`)."""
        fits = self.moments.get(id(moment))
        if fits is None:
            fits = self.moments[id(moment)] = moment.fits(self.request.context)
        return fits

    def _open(self, plan: Plan, unit: bytes) -> Split | Reason:
        """The arms to draw from, or the first closed gate among audience, layers and traffic."""
        segment = self.segment(plan) if plan.segments else EVERYONE
        if segment is None:
            return "NOT_IN_SEGMENT"
        if plan.requires and not self.meets(plan):
            return "PREREQUISITE"
        for gate in plan.layers:
            if bisect_right(gate.cuts, self._in_layer(gate.prefix + unit)) % 2 == 0:
                return "EXCLUDED_BY_LAYER"
        if plan.traffic is not None and not _passes(plan.traffic, unit):
            return "NOT_IN_TRAFFIC"
        return plan.splits[segment]

    def meets(self, plan: Plan) -> bool:
        """Whether the customer stands in other experiments as this one requires."""
        for one in plan.requires:
            arm = self.standing(one.experiment)
            if (arm is not None and (not one.variants or arm in one.variants)) is not one.holds:
                return False
        return True

    def standing(self, key: str) -> str | None:
        """The arm of another experiment that the customer is in, whatever the moment; None: in none."""
        if self.standings is None:
            self.standings = {}
        if key not in self.standings:
            self.standings[key] = None  # what requires itself, however many steps away, is not met
            plan = self.view.by_key.get(key)
            self.standings[key] = None if plan is None or plan.is_holdout else self._stands(plan)
        return self.standings[key]

    def _stands(self, plan: Plan) -> str | None:
        if plan.status != "running":
            return self._served(plan)
        unit = self.encoded if not plan.by_anonymous else self._anonymous()
        if unit is None:
            return None
        if plan.forced and (forced := self._forced(plan)) is not None:
            return forced.variant_key
        assigned = self.state.assignments.get(plan.id)
        if assigned is not None:
            return plan.experiment.variants[assigned.variant].key
        if plan.holdouts and self._is_held(plan):
            return None
        split = plan.splits[EVERYONE] if plan.open else self._open(plan, unit)
        if not isinstance(split, Split):
            return None
        return split.outcomes[bisect_right(split.cuts, sha256(plan.prefix + unit).digest())].variant_key

    def _served(self, plan: Plan) -> str | None:
        if plan.serve is None or self._is_held(plan) or (plan.requires and not self.meets(plan)):
            return None
        segment = self.segment(plan) if plan.segments else EVERYONE
        outcome = None if segment is None else plan.serve.get(segment) or plan.serve.get(EVERYONE)
        return None if outcome is None else outcome.variant_key

    def _in_layer(self, text: bytes) -> bytes:
        """The digest for a layer, made once for all experiments in it."""
        digest = self.layers.get(text)
        if digest is None:
            digest = self.layers[text] = sha256(text).digest()
        return digest

    def segment(self, plan: Plan) -> str | None:
        """The first of the experiment's segments, by priority, that the customer belongs to."""
        asked = plan.segments
        if asked in self.segments:
            return self.segments[asked]
        found = self.segments[asked] = self._found(asked)
        return found

    def _found(self, segments: tuple[tuple[str, int], ...]) -> str | None:
        ruleset, attributes = self.ruleset, self.attributes
        if attributes is None:
            attributes = self.attributes = attributes_of(
                self.state,
                self.request.attributes,
                now=self.now,
                currency=ruleset.settings.currency,
                folded=ruleset.folds,
                products=ruleset.shelf.products if ruleset.sorts else None,
            )
        for key, place in segments:
            belongs = self.holds.get(place)
            if belongs is None:
                belongs = self.holds[place] = ruleset.holds[place](attributes, self.now)
            if belongs:
                return key
        return None

    def _stopped(self, plan: Plan) -> Decision:
        if plan.serve is None:
            return self.outside(plan, "NOT_RUNNING")
        if plan.moment is not None and not self._fits(plan.moment):
            return plan.outside["NO_CONTEXT_MATCH"]
        held = self._is_held(plan)
        segment = self.segment(plan)
        outcome = plan.serve.get(segment or EVERYONE) or plan.serve.get(EVERYONE)
        if outcome is None or (segment is None and plan.segments):
            return self.outside(plan, "HOLDOUT" if held else "NOT_IN_SEGMENT")
        if plan.requires and not self.meets(plan):
            return self.outside(plan, "HOLDOUT" if held else "PREREQUISITE")
        self._reach(plan)
        return self.outside(plan, "HOLDOUT") if held else self.shown(plan, outcome)

    def outside(self, plan: Plan, reason: Reason) -> Decision:
        """What somebody gets whom a gate kept out, for this reason."""
        decision = plan.outside[reason]
        return decision if decision.outcome.offer is None else self.shown(plan, decision.outcome)

    def shown(self, plan: Plan, outcome: Outcome, draw: bytes | int | None = None) -> Decision:
        """The decision for this arm, with what its offer meets at this customer."""
        display = plan.displays[outcome.variant]
        if display is None or outcome.offer is None:
            return Decision(outcome, draw)
        context = self.request.context
        if outcome.reason != "NOT_RUNNING" and not is_sent(context) and is_undisturbed(display, context.cart):
            return Decision(outcome, draw)
        if self.case is None:
            self.case = Case(self.ruleset.shelf, self.ruleset.settings, self.state, self.request, self.now)
        verdict = (preview if outcome.reason == "FORCED" else judge)(display, self.case)
        return Decision(outcome, draw, verdict.withheld, verdict.picked)

    def _fill_slots(self, decisions: list[Decision], slots: int) -> None:
        """The first offers of the answer fill the page; for the others it is full."""
        for place, decision in enumerate(decisions):
            offer = decision.offer
            if offer is None or not on_page(offer, self.request):
                continue
            if slots > 0 or decision.outcome.reason == "FORCED":
                slots -= 1
            else:
                decisions[place] = Decision(decision.outcome, decision.draw, "cap")

    def _anonymous(self) -> bytes | None:
        anonymous = self.request.anonymous
        return self.encoded if anonymous is None else anonymous.encode()

    def _forced(self, plan: Plan) -> Outcome | None:
        for unit in (self.request.unit, self.request.anonymous):
            if unit is not None and unit in plan.forced:
                return plan.forced[unit]
        return None

    def _outcome_of(self, plan: Plan, assigned: Assignment) -> Outcome:
        known = plan.assigned.get((assigned.epoch, assigned.segment, assigned.variant))
        if known is not None and known.propensity == assigned.propensity:
            return known
        return self.ruleset.outcome_maker().outcome(
            plan.experiment,
            assigned.variant,
            "SPLIT",
            segment=assigned.segment,
            propensity=assigned.propensity,
            epoch=assigned.epoch,
            number=False,
        )

    def _joined(self, plan: Plan) -> Decision:
        unit = self.encoded if not plan.by_anonymous else self._anonymous()
        if unit is None:
            return plan.outside["NO_UNIT"]
        if plan.forced and (forced := self._forced(plan)) is not None:
            return Decision(forced)
        assigned = self.state.assignments.get(plan.id)
        if assigned is not None:
            return Decision(self._outcome_of(plan, assigned), assigned.bucket)
        return self._drawn(plan, unit)

    def _is_held(self, plan: Plan) -> bool:
        for one in plan.holdouts:
            outcome = self.holdout(one).outcome
            if outcome.variant_key == HELD_OUT and outcome.reason in _IN_AN_ARM:
                return True
        return False

    def _reach(self, plan: Plan) -> None:
        """Note that the moment of the holdouts over this experiment has come."""
        self.reached.update([one.id for one in plan.holdouts])

    def _has_come(self, holdout: Plan, decisions: list[Decision]) -> bool:
        """Whether an experiment under it lets the customer through; any, if none of them was asked for."""
        if holdout.id in self.reached:
            return True
        if any(holdout in self.view.by_key[decision.outcome.experiment].holdouts for decision in decisions):
            return False
        for plan in self.view.plans:
            if holdout in plan.holdouts:
                self.experiment(plan)
        return holdout.id in self.reached


def _passes(gate: Gate, encoded: bytes) -> bool:
    return bisect_right(gate.cuts, sha256(gate.prefix + encoded).digest()) % 2 == 1
