"""One customer's answers: a pure function of ruleset, customer state, request and time.

The order of the gates, each with the reason it gives:

1. the experiment's life at `now`: draft or unknown -> listed as unknown; paused, stopped without `serve`, archived ->
   NOT_RUNNING;
2. the moment that the request states -> NO_CONTEXT_MATCH;
3. a customer id that names somebody (a stopped experiment serves its arm to anybody) -> NO_UNIT;
4. testers -> FORCED;
5. an earlier exposure: that arm, whatever has changed since -> SPLIT with what was stored;
6. a running holdout that covers the experiment -> HOLDOUT;
7. the audience -> NOT_IN_SEGMENT;
8. layers -> EXCLUDED_BY_LAYER;
9. the traffic gate -> NOT_IN_TRAFFIC;
10. the arm -> SPLIT (or SHIPPED, after a stop with `serve`, without 4, 5, 8 and 9).

A holdout is drawn by the same gates, and its own moment comes when an experiment that it covers would let the
customer through if there were no holdout: in both of its arms alike.

Whether the arm's offer may be shown to this customer comes last and changes no arm: `suppress.py`.

Only what is needed is hashed: nothing for a gate that is wide open, one hash per layer and holdout however many
experiments share them. An experiment with nothing but arms takes the short way in `decide` itself.
"""

from bisect import bisect_right
from hashlib import sha256
from typing import TYPE_CHECKING

from offerlab.assignment.plan import Gate, Plan
from offerlab.assignment.profile import attributes_of
from offerlab.assignment.ruleset import Ruleset, View
from offerlab.assignment.suppress import Case, is_bare, judge, on_page, preview
from offerlab.domain.customer import Assignment, CustomerState
from offerlab.domain.decision import Decided, Decision, Outcome, Reason, Request
from offerlab.domain.experiment import EVERYONE, HELD_OUT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from offerlab.assignment.rules import Attributes

_IN_AN_ARM: frozenset[Reason] = frozenset(("SPLIT", "FORCED"))


def decide(ruleset: Ruleset, state: CustomerState, request: Request, now: int) -> Decided:
    """Answer one request.

    Args:
        ruleset: compiled rules.
        state: what is known of the customer; `NOBODY` for a stranger, `UNREAD` when the store did not answer.
        request: who asks, for what, in which moment.
        now: microseconds UTC; picks status and epoch, so that an earlier time gives the answer of that time.
    """
    view = ruleset.current if now >= ruleset.settled_at else ruleset.at(now)
    unknown: list[str] = []
    plans: Iterable[Plan] = view.plans if request.experiments is None else _named(view, request.experiments, unknown)
    assignments = state.assignments
    unit = request.unit
    encoded = b"" if unit is None else unit.encode()
    swift = unit is not None
    bare = is_bare(request)
    context = request.context
    call: _Call | None = None
    decisions: list[Decision] = []
    for plan in plans:
        if (
            plan.plain
            and swift
            and (bare or not plan.offers)
            and plan.id not in assignments
            and (plan.moment is None or plan.moment.fits(context))
        ):
            split = plan.split
            draw = sha256(plan.prefix + encoded).digest()
            decisions.append(Decision(split.outcomes[bisect_right(split.cuts, draw)], draw))
        else:
            if call is None:
                call = _Call(ruleset, view, state, request, now, bare=bare)
            decisions.append(call.holdout(plan) if plan.is_holdout else call.experiment(plan))
    if call is None:
        return Decided(decisions, unknown, [])
    return call.finish(decisions, unknown)


def settled_without_state(ruleset: Ruleset, decision: Decision, request: Request, now: int) -> bool:
    """Whether hash and request alone settle this decision, so that it may be exposed although it is `stale`.

    Not when the experiment was ever re-weighted (the customer may have been exposed under other ranges), and not
    when its segments look at attributes that the request does not tell.
    """
    plan = ruleset.at(now).by_key.get(decision.experiment)
    if plan is None or plan.experiment.reweighted:
        return False
    return plan.reads <= request.attributes.keys()


def _named(view: View, keys: tuple[str, ...], unknown: list[str]) -> list[Plan]:
    plans: list[Plan] = []
    for key in dict.fromkeys(keys):
        plan = view.by_key.get(key)
        if plan is None:
            unknown.append(key)
        else:
            plans.append(plan)
    return plans


def _passes(gate: Gate, encoded: bytes) -> bool:
    return bisect_right(gate.cuts, sha256(gate.prefix + encoded).digest()) % 2 == 1


class _Call:
    """One request on its way through the gates: remembers what several experiments ask for."""

    __slots__ = (
        "assignments",
        "attributes",
        "bare",
        "case",
        "held",
        "layers",
        "moments",
        "now",
        "request",
        "ruleset",
        "segments",
        "state",
        "view",
    )

    def __init__(
        self, ruleset: Ruleset, view: View, state: CustomerState, request: Request, now: int, *, bare: bool
    ) -> None:
        self.ruleset = ruleset
        self.view = view
        self.state = state
        self.request = request
        self.now = now
        self.assignments = state.assignments
        self.bare = bare
        self.case: Case | None = None
        self.attributes: Attributes | None = None
        self.segments: dict[int, bool] = {}
        self.layers: dict[bytes, bytes] = {}
        self.held: dict[int, Decision] = {}
        self.moments: set[int] = set()

    def experiment(self, plan: Plan) -> Decision:
        """The answer of an experiment that is no holdout."""
        if plan.status != "running":
            return self._stopped(plan)
        if plan.moment is not None and not plan.moment.fits(self.request.context):
            return plan.outside["NO_CONTEXT_MATCH"]
        unit = self._unit(plan)
        if unit is None:
            return self._outside(plan, "NO_UNIT")
        if plan.forced and (forced := self._forced(plan)) is not None:
            return self._shown(plan, forced)
        assigned = self.assignments.get(plan.id)
        if assigned is not None:
            self._reach(plan)
            return self._shown(plan, self._outcome_of(plan, assigned), assigned.bucket)
        if plan.holdouts and self._is_held(plan):
            if self._entry(plan, unit) is None:
                self._reach(plan)
            return self._outside(plan, "HOLDOUT")
        return self._drawn(plan, unit)

    def holdout(self, plan: Plan) -> Decision:
        """The answer of a holdout: whether its own moment has come is seen in `finish`."""
        if plan.status != "running":
            return plan.outside["NOT_RUNNING"]
        return self._membership(plan)

    def finish(self, decisions: list[Decision], unknown: list[str]) -> Decided:
        """Settle which holdouts' moments have come, and which come along unasked."""
        asked: set[int] = set()
        for place, decision in enumerate(decisions):
            plan = self.view.by_key[decision.outcome.experiment]
            if plan.is_holdout:
                asked.add(plan.id)
                if decision.outcome.reason == "SPLIT" and not self._has_come(plan, decisions):
                    decisions[place] = plan.outside["NO_CONTEXT_MATCH"]
        if self.ruleset.settings.slots is not None:
            self._fill_slots(decisions, self.ruleset.settings.slots)
        along = [self.held[one.id] for one in self.view.holdouts if one.id in self.moments and one.id not in asked]
        return Decided(decisions, unknown, [decision for decision in along if decision.outcome.reason == "SPLIT"])

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

    def _drawn(self, plan: Plan, unit: bytes) -> Decision:
        closed = self._entry(plan, unit)
        if closed is not None:
            return self._outside(plan, closed)
        self._reach(plan)
        split = plan.split_of(self._segment(plan)) if plan.segments else plan.split
        draw = sha256(plan.prefix + unit).digest()
        return self._shown(plan, split.outcomes[bisect_right(split.cuts, draw)], draw)

    def _outside(self, plan: Plan, reason: Reason) -> Decision:
        decision = plan.outside[reason]
        return decision if decision.outcome.offer is None else self._shown(plan, decision.outcome)

    def _shown(self, plan: Plan, outcome: Outcome, draw: bytes | int | None = None) -> Decision:
        """The decision for this arm, with what its offer meets at this customer."""
        display = plan.displays[outcome.variant]
        if display is None or outcome.offer is None:
            return Decision(outcome, draw)
        if self.bare and not display.always and outcome.reason != "NOT_RUNNING":
            return Decision(outcome, draw)
        if self.case is None:
            self.case = Case(self.ruleset.shelf, self.ruleset.settings, self.state, self.request, self.now)
        verdict = (preview if outcome.reason == "FORCED" else judge)(display, self.case)
        return Decision(outcome, draw, verdict.withheld, verdict.picked)

    def _stopped(self, plan: Plan) -> Decision:
        if plan.serve is None:
            return self._outside(plan, "NOT_RUNNING")
        if plan.moment is not None and not plan.moment.fits(self.request.context):
            return plan.outside["NO_CONTEXT_MATCH"]
        held = self._is_held(plan)
        segment = self._segment(plan)
        outcome = plan.serve.get(segment or EVERYONE) or plan.serve.get(EVERYONE)
        if outcome is None or (segment is None and plan.segments):
            return self._outside(plan, "HOLDOUT" if held else "NOT_IN_SEGMENT")
        self._reach(plan)
        return self._outside(plan, "HOLDOUT") if held else self._shown(plan, outcome)

    def _unit(self, plan: Plan) -> bytes | None:
        unit = self.request.unit
        if plan.by_anonymous and self.request.anonymous is not None:
            unit = self.request.anonymous
        return None if unit is None else unit.encode()

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

    def _entry(self, plan: Plan, unit: bytes) -> Reason | None:
        """The first closed gate among audience, layers and traffic."""
        if plan.segments and self._segment(plan) is None:
            return "NOT_IN_SEGMENT"
        for layer in plan.layers:
            if bisect_right(layer.gate.cuts, self._digest(layer.gate.prefix + unit)) % 2 == 0:
                return "EXCLUDED_BY_LAYER"
        if plan.traffic is not None and not _passes(plan.traffic, unit):
            return "NOT_IN_TRAFFIC"
        return None

    def _digest(self, text: bytes) -> bytes:
        """A layer's hash, made once for all experiments in it."""
        known = self.layers.get(text)
        if known is None:
            known = self.layers[text] = sha256(text).digest()
        return known

    def _segment(self, plan: Plan) -> str | None:
        """The first of the experiment's segments, by priority, that the customer belongs to."""
        if self.attributes is None:
            self.attributes = attributes_of(
                self.state, self.request.attributes, now=self.now, currency=self.ruleset.settings.currency
            )
        for key, place in plan.segments:
            belongs = self.segments.get(place)
            if belongs is None:
                belongs = self.segments[place] = self.ruleset.holds[place](self.attributes, self.now)
            if belongs:
                return key
        return None

    def _membership(self, plan: Plan) -> Decision:
        """In which arm of a running holdout the customer stands."""
        known = self.held.get(plan.id)
        if known is None:
            known = self.held[plan.id] = self._joined(plan)
        return known

    def _joined(self, plan: Plan) -> Decision:
        unit = self._unit(plan)
        if unit is None:
            return plan.outside["NO_UNIT"]
        if plan.forced and (forced := self._forced(plan)) is not None:
            return Decision(forced)
        assigned = self.assignments.get(plan.id)
        if assigned is not None:
            return Decision(self._outcome_of(plan, assigned), assigned.bucket)
        return self._drawn(plan, unit)

    def _is_held(self, plan: Plan) -> bool:
        for one in plan.holdouts:
            outcome = self._membership(one).outcome
            if outcome.variant_key == HELD_OUT and outcome.reason in _IN_AN_ARM:
                return True
        return False

    def _reach(self, plan: Plan) -> None:
        """Note that the moment of the holdouts over this experiment has come."""
        for one in plan.holdouts:
            self._membership(one)
            self.moments.add(one.id)

    def _has_come(self, holdout: Plan, decisions: list[Decision]) -> bool:
        """Whether an experiment under it lets the customer through; any, if none of them was asked for."""
        if holdout.id not in self.moments and not any(
            holdout in self.view.by_key[decision.outcome.experiment].holdouts for decision in decisions
        ):
            for plan in self.view.plans:
                if holdout in plan.holdouts:
                    self.experiment(plan)
        return holdout.id in self.moments
