"""Explanations: the first closed gate is the reason, and every number is the one that decided."""

from hypothesis import given
from hypothesis import strategies as st

from offerlab.assignment.decide import decide
from offerlab.assignment.explain import Explanation, explain
from offerlab.assignment.hashing import bucket
from offerlab.domain.customer import NOBODY, UNREAD, Assignment, CustomerState
from offerlab.domain.decision import Context, Request
from offerlab.domain.experiment import Experiment, Variant
from offerlab.domain.layer import Layer
from offerlab.domain.lifecycle import moved
from offerlab.domain.offer import Offer

from .laboratory import NOW, START, draft, holdout, in_layer, ruleset, running, segment

OFFER = Offer(key="x", kind="engagement", placements=("cart",))
ARMS = (Variant(key="control", weight=0.5), Variant(key="t", weight=0.5, offer="x"))
SEGMENTS = (segment("kr", {"attribute": "country", "op": "eq", "value": "KR"}),)
UNITS = [f"c{i}" for i in range(30)]


@st.composite
def experiments(draw: st.DrawFn) -> tuple[Experiment, ...]:
    """A holdout or none, and three experiments with some gates each."""
    made: list[Experiment] = []
    if draw(st.booleans()):
        hold = holdout(9, draw(st.sampled_from([0.0, 0.5, 1.0])))
        made.append(moved(hold, "pause", now=NOW) if draw(st.booleans()) else hold)
    for number in (1, 2, 3):
        one = draft(
            number,
            variants=draw(st.sampled_from([ARMS, (ARMS[0], Variant(key="t", weight=0.5))])),
            traffic=draw(st.sampled_from([0.4, 1.0])),
            segments=draw(st.sampled_from([(), ("kr",)])),
            forced=draw(st.sampled_from([{}, {"c3": "t"}])),
            bucket_by=draw(st.sampled_from(["customer_id", "anonymous_id"])),
        )
        one = in_layer(one, Layer(key="page", salt="p"), taken=tuple(made[-1:])) if number == 1 else in_layer(one)
        end = draw(st.sampled_from(["run", "run", "pause", "stop", "serve", "serve-kr"]))
        serve = {"serve": {"": "t"}, "serve-kr": {"kr": "t"}}.get(end)
        if end == "pause":
            one = moved(one, "pause", now=NOW)
        elif end != "run":
            one = moved(one, "stop", now=NOW, serve=serve)
        made.append(one)
    return tuple(made)


@given(
    experiments(),
    st.sampled_from([None, *UNITS]),
    st.sampled_from([{}, {"country": "KR"}]),
    st.sampled_from([Context(), Context(placement="cart"), Context(placement="home")]),
    st.sampled_from([None, ("e1", "e2", "e3"), ("holdout-9", "e1"), ("holdout-9",)]),
    st.sampled_from([NOBODY, UNREAD, CustomerState(assignments={2: Assignment(2, 1, 1, None, 5, 0.5, START)})]),
)
def test_the_first_closed_gate_is_the_reason(
    made: tuple[Experiment, ...],
    unit: str | None,
    attributes: dict[str, object],
    context: Context,
    names: tuple[str, ...] | None,
    state: CustomerState,
) -> None:
    """Gates in their order lead to what `decide` says, by another way."""
    rules = ruleset(*made, offers=(OFFER,), segments=SEGMENTS)
    request = Request(unit=unit, anonymous="a-1", attributes=attributes, context=context, experiments=names)
    decided = decide(rules, state, request, NOW).decisions
    explained = explain(rules, state, request, NOW)
    for decision, explanation in zip(decided, explained, strict=True):
        assert explanation.reason == decision.reason
        assert first_closed(explanation, serving=decision.reason == "SHIPPED") == decision.reason


def first_closed(explanation: Explanation, *, serving: bool) -> str:
    """The reason of the first gate that was not passed; behind them all the arm."""
    for gate in explanation.gates:
        if not gate.passed and gate.reason is not None:
            return gate.reason
    return "SHIPPED" if serving else "SPLIT"


def test_numbers_can_be_recomputed() -> None:
    """Each draw names its salt and the slots that pass, so that anybody can check the customer's bucket."""
    experiment = in_layer(draft(1, traffic=0.5), Layer(key="page", salt="p"))
    (explanation,) = explain(ruleset(experiment), NOBODY, Request(unit="c-42"), NOW)
    draws = [gate for gate in explanation.gates if gate.salt is not None]
    assert [gate.gate for gate in draws] == ["layer", "traffic", "arm"]
    for gate in draws:
        slot = bucket(gate.salt or "", "c-42")
        assert gate.bucket == slot
        assert gate.passed == any(start <= slot < end for start, end in gate.slots or ())


def test_a_withheld_offer_says_why() -> None:
    """The last gate tells what stands in the way of the offer."""
    arms = (Variant(key="control", weight=0.0), Variant(key="t", weight=1.0, offer="x"))
    mail = Offer(key="x", kind="engagement", channel="email")
    (explanation,) = explain(ruleset(running(variants=arms), offers=(mail,)), NOBODY, Request(unit="c"), NOW)
    assert explanation.gates[-1].detail == "'x' is withheld: consent"
