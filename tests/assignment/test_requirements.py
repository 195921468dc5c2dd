"""Prerequisites: only customers who stand in another experiment as one says, in every form of the decision."""

import numpy as np
import pytest
from msgspec import structs

from offerlab.assignment.bulk import assign
from offerlab.assignment.columns import Values
from offerlab.assignment.decide import decide, settled_without_state
from offerlab.assignment.explain import explain
from offerlab.assignment.ruleset import Ruleset
from offerlab.assignment.wire import encode
from offerlab.client.local import Local
from offerlab.domain.customer import NOBODY, Assignment, CustomerState
from offerlab.domain.decision import Context, Decision, Request
from offerlab.domain.experiment import Experiment
from offerlab.domain.lifecycle import moved
from offerlab.domain.offer import Offer
from offerlab.domain.requirement import Requirement, check_requirements
from offerlab.errors import InvalidDefinition

from .laboratory import NOW, START, draft, holdout, ruleset, running, segment

UNITS = [f"c-{i}" for i in range(400)]
TREATED = Requirement(experiment="e1", variants=("capsules-20",))
KR = segment("kr", {"attribute": "country", "op": "eq", "value": "KR"})


def after(*requires: Requirement, traffic: float = 1.0, segments: tuple[str, ...] = ()) -> Experiment:
    """A running experiment that requires these."""
    return running(9, "after", requires=requires, traffic=traffic, segments=segments)


def answer(rules: Ruleset, unit: str, key: str, state: CustomerState = NOBODY) -> Decision:
    """One decision."""
    return decide(rules, state, Request(unit=unit, attributes={"country": "KR"}, experiments=(key,)), NOW).decisions[0]


@pytest.mark.parametrize(
    ("requirement", "variants", "holds"),
    [
        (TREATED, {"capsules-20"}, True),
        (Requirement(experiment="e1"), {"capsules-20", "control"}, True),
        (Requirement(experiment="e1", variants=("capsules-20",), holds=False), {"capsules-20"}, False),
        (Requirement(experiment="e1", holds=False), {"capsules-20", "control"}, False),
    ],
    ids=["in an arm", "in any", "not in an arm", "in none"],
)
def test_only_those_who_stand_there_enter(requirement: Requirement, variants: set[str], *, holds: bool) -> None:
    """Half of the customers are in the other's traffic; each enters or not by where they stand there."""
    rules = ruleset(running(traffic=0.5), after(requirement))
    free = ruleset(running(traffic=0.5), after())
    entered = 0
    for unit in UNITS:
        other = answer(rules, unit, "e1")
        inside = other.enrolled and other.variant_key in variants
        found = answer(rules, unit, "after")
        entered += found.enrolled
        assert found.reason == ("SPLIT" if inside is holds else "PREREQUISITE")
        if found.enrolled:
            assert found.bucket == answer(free, unit, "after").bucket
    assert 50 < entered < 350


def test_a_stored_arm_counts_and_an_exposed_customer_stays() -> None:
    """The other's first exposure says where somebody stands; one's own keeps the customer in, whatever changes."""
    rules = ruleset(running(), after(TREATED))
    for unit in UNITS[:20]:
        for variant in (0, 1):
            known = Assignment(1, variant, 1, None, 5, 0.5, START)
            found = answer(rules, unit, "after", CustomerState(assignments={1: known}))
            assert found.enrolled is (variant == 1)
        own = Assignment(9, 0, 1, None, 5, 0.5, START)
        assert answer(rules, unit, "after", CustomerState(assignments={9: own})).enrolled


def test_who_is_forced_or_served_there_stands_there_too() -> None:
    """A tester of the other's arm passes; after its end the arm that is served counts for everybody."""
    rules = ruleset(running(forced={"tester": "capsules-20"}), after(TREATED))
    assert answer(rules, "tester", "after").enrolled
    stopped = moved(running(), "stop", now=START + 1, serve={"": "capsules-20"})
    assert all(answer(ruleset(stopped, after(TREATED)), unit, "after").enrolled for unit in UNITS[:20])
    silent = moved(running(), "stop", now=START + 1)
    assert answer(ruleset(silent, after(TREATED)), "c-1", "after").reason == "PREREQUISITE"
    assert answer(ruleset(draft(), after(TREATED)), "c-1", "after").reason == "PREREQUISITE"


def test_the_moment_of_the_other_does_not_matter() -> None:
    """Who is in an arm that speaks at the checkout is in it on the product page."""
    offer = Offer(key="capsules", kind="cross_sell", products=("a",), placements=("checkout",))
    arms = tuple(structs.replace(arm, offer="capsules") if arm.key != "control" else arm for arm in running().variants)
    rules = ruleset(running(variants=arms), after(TREATED), offers=(offer,))
    request = Request(unit="c-1", context=Context(placement="product_page"), experiments=("e1", "after"))
    told = [decide(rules, NOBODY, structs.replace(request, unit=unit), NOW).decisions for unit in UNITS[:50]]
    assert {first.reason for first, _ in told} == {"NO_CONTEXT_MATCH"}
    assert {second.reason for _, second in told} == {"SPLIT", "PREREQUISITE"}


RULES = {
    "plain": ruleset(running(), after(TREATED)),
    "chain": ruleset(
        running(traffic=0.6, forced={"c-3": "capsules-20"}),
        running(2, requires=(Requirement(experiment="e1", variants=("control",), holds=False),)),
        after(Requirement(experiment="e2", variants=("capsules-20",)), traffic=0.7),
    ),
    "held": ruleset(running(), holdout(5, 0.3), after(TREATED, segments=("kr",)), segments=(KR,)),
    "served": ruleset(
        moved(running(segments=("kr",)), "stop", now=START + 1, serve={"kr": "capsules-20"}),
        after(TREATED),
        segments=(KR,),
    ),
}


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_columns_and_the_local_client_say_the_same(rules: Ruleset) -> None:
    """Bulk assignment, evaluation from a downloaded ruleset and the explanation agree with the decision."""
    local = Local.load(encode(rules.rules))
    columns = {"country": Values(np.array(["KR"] * len(UNITS), dtype=np.object_))}
    assigned = assign(rules, "after", UNITS, now=NOW, columns=columns)
    reasons: set[str] = set()
    for i, unit in enumerate(UNITS):
        found = answer(rules, unit, "after")
        reasons.add(found.reason)
        assert bool(assigned.enrolled[i]) is found.enrolled
        assert int(assigned.variant[i]) == (found.variant if found.enrolled else -1)
        (told,) = local.decide(unit, attributes={"country": "KR"}, experiments=("after",), now=NOW).decisions
        assert (told.variant, told.reason) == (found.variant_key, found.reason)
        request = Request(unit=unit, attributes={"country": "KR"}, experiments=("after",))
        (why,) = explain(rules, NOBODY, request, NOW)
        closed = [gate.reason for gate in why.gates if not gate.passed and gate.reason is not None]
        assert (closed[0] if closed else "SPLIT") == found.reason
        assert "prerequisite" in [gate.gate for gate in why.gates]
    assert "SPLIT" in reasons


def test_columns_know_the_stored_arms_of_others() -> None:
    """First exposures in the experiment that is required count in the column form as in the single one."""
    rules = ruleset(running(), after(TREATED))
    stored = {i: Assignment(1, i % 2, 1, None, 5, 0.5, START) for i in range(len(UNITS))}
    assigned = assign(rules, "after", UNITS, now=NOW, others={"e1": stored})
    assert assigned.enrolled.tolist() == [i % 2 == 1 for i in range(len(UNITS))]


def test_a_stale_answer_is_settled_only_with_what_it_requires() -> None:
    """While the other's segments look at what the request does not tell, nobody is exposed on a stale answer."""
    rules = ruleset(running(segments=("kr",)), after(Requirement(experiment="e1", holds=False)), segments=(KR,))
    silent = Request(unit="c-1", experiments=("after",))
    decision = decide(rules, NOBODY, silent, NOW).decisions[0]
    assert not settled_without_state(rules, decision, silent, NOW)
    assert settled_without_state(rules, decision, structs.replace(silent, attributes={"country": "JP"}), NOW)


def test_nothing_of_it_is_compiled_where_nobody_asks() -> None:
    """A plan without requirements goes the direct way; one with them does not."""
    plans = ruleset(running(), after(TREATED)).current.by_key
    assert plans["e1"].direct
    assert not plans["after"].direct


def test_a_circle_that_got_in_all_the_same_ends() -> None:
    """Two that require each other (no definition makes them) let nobody in, and the decision comes."""
    one = running(1, requires=(Requirement(experiment="e2"),))
    two = running(2, requires=(Requirement(experiment="e1"),))
    assert answer(ruleset(one, two), "c-1", "e1").reason == "PREREQUISITE"


@pytest.mark.parametrize(
    ("requires", "field"),
    [
        ([Requirement(experiment="a")], "requires[0].experiment"),
        ([Requirement(experiment="b"), Requirement(experiment="nothing")], "requires[1].experiment"),
        ([Requirement(experiment="b", variants=("x", "z"))], "requires[0].variants"),
        ([Requirement(experiment="d")], "requires[0].experiment"),
    ],
    ids=["itself", "unknown", "no such arm", "a circle of three"],
)
def test_what_can_not_be_required_is_refused(requires: list[Requirement], field: str) -> None:
    """The requirement at fault is named; a circle with its way."""
    arms = {"b": ["x", "y"], "c": ["x"], "d": ["x"]}
    others = {"d": [Requirement(experiment="c")], "c": [Requirement(experiment="a")]}
    with pytest.raises(InvalidDefinition) as refused:
        check_requirements("a", requires, arms=arms, others=others)
    assert refused.value.field == field
    if "circle" in refused.value.detail:
        assert "a → d → c → a" in refused.value.detail
