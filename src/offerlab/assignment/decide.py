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
8. what other experiments it requires -> PREREQUISITE;
9. layers -> EXCLUDED_BY_LAYER;
10. the traffic gate -> NOT_IN_TRAFFIC;
11. the arm -> SPLIT (or SHIPPED, after a stop with `serve`, without 4, 5, 9 and 10).

A holdout is drawn by the same gates, and its own moment comes when an experiment that it covers would let the
customer through if there were no holdout: in both of its arms alike.

Whoever objected to being profiled, and whoever is known to be under 14, takes part in nothing: no gate is tried.

Whether the arm's offer may be shown to this customer comes last and changes no arm: `suppress.py`.

Only what is needed is hashed: nothing for a gate that is wide open, one hash per layer and holdout however many
experiments share them. Moment and audience are looked at once for all experiments that share them; one with nothing
else before its arms takes the short way in `decide` itself.
"""

from bisect import bisect_right
from hashlib import sha256
from typing import TYPE_CHECKING

from offerlab.assignment.passage import Passage
from offerlab.assignment.plan import Plan, without_offer
from offerlab.assignment.profile import is_barred
from offerlab.assignment.ruleset import Ruleset, View
from offerlab.assignment.suppress import is_sent, is_undisturbed
from offerlab.domain.customer import CustomerState
from offerlab.domain.decision import Decided, Decision, Request

if TYPE_CHECKING:
    from collections.abc import Iterable


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
    if is_barred(state.profile, request.attributes):
        return Decided([_left_alone(plan) for plan in plans], unknown, [])
    encoded = None if request.unit is None else request.unit.encode()
    assignments = state.assignments
    passage = Passage(ruleset, view, state, request, now, encoded)
    doors = passage.doors
    calm, cart = not is_sent(request.context), request.context.cart
    decisions: list[Decision] = []
    for plan in plans:
        if not plan.direct or encoded is None or plan.id in assignments:
            decisions.append(passage.answer(len(decisions), plan))
            continue
        reason, segment = doors.get(plan.door) or passage.door(plan)
        if reason is not None:
            decisions.append(passage.outside(plan, reason))
            continue
        split = plan.splits[segment]
        draw = sha256(plan.prefix + encoded).digest()
        outcome = split.outcomes[bisect_right(split.cuts, draw)]
        display = None if outcome.offer is None else plan.displays[outcome.variant]
        if display is None or (calm and is_undisturbed(display, cart)):
            decisions.append(Decision(outcome, draw))
        else:
            decisions.append(passage.shown(plan, outcome, draw))
    return Decided(decisions, unknown, passage.finish(decisions))


def _left_alone(plan: Plan) -> Decision:
    """What somebody gets who takes part in nothing: control's place, and nothing to show."""
    decision = plan.outside["NOT_IN_SEGMENT" if plan.status == "running" else "NOT_RUNNING"]
    return decision if decision.outcome.offer is None else Decision(without_offer(decision.outcome))


def settled_without_state(ruleset: Ruleset, decision: Decision, request: Request, now: int) -> bool:
    """Whether hash and request alone settle this decision, so that it may be exposed although it is `stale`.

    Not when the experiment, or one that it requires, was ever re-weighted (the customer may have been exposed under
    other ranges), and not when their segments look at attributes that the request does not tell.
    """
    view = ruleset.at(now)
    plan = view.by_key.get(decision.experiment)
    return plan is not None and _is_settled(view, plan, request)


def _is_settled(view: View, plan: Plan, request: Request) -> bool:
    if plan.experiment.reweighted or not plan.reads <= request.attributes.keys():
        return False
    others = (view.by_key.get(one.experiment) for one in plan.requires)
    return all(other is None or _is_settled(view, other, request) for other in others)


def _named(view: View, keys: tuple[str, ...], unknown: list[str]) -> list[Plan]:
    plans: list[Plan] = []
    for key in dict.fromkeys(keys):
        plan = view.by_key.get(key)
        if plan is None:
            unknown.append(key)
        else:
            plans.append(plan)
    return plans
