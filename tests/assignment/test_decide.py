"""Decisions: every reason, the order of the gates, and the same answer for the same customer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from offerlab.assignment.allocation import next_epoch
from offerlab.assignment.decide import decide, settled_without_state
from offerlab.assignment.hashing import arm_salt, bucket, salt_of
from offerlab.assignment.ruleset import Ruleset
from offerlab.domain.customer import NOBODY, UNREAD, Assignment, CustomerState, Profile
from offerlab.domain.decision import Context, Decision, Request
from offerlab.domain.experiment import SLOTS, Experiment, Variant
from offerlab.domain.layer import Layer
from offerlab.domain.lifecycle import moved
from offerlab.domain.offer import Offer, Timing

from .laboratory import NOW, START, draft, holdout, in_layer, ruleset, running, said, segment

UNITS = [f"customer-{i}" for i in range(400)]
KR = segment("kr", {"attribute": "country", "op": "eq", "value": "KR"})
REPEAT = segment("repeat", {"attribute": "orders_count", "op": "gte", "value": 2}, priority=20)
LATER = NOW + 1_000_000


def ask(
    rules: Ruleset,
    unit: str | None = "c-42",
    *,
    state: CustomerState = NOBODY,
    now: int = NOW,
    experiments: tuple[str, ...] | None = None,
    context: Context | None = None,
    **attributes: object,
) -> list[Decision]:
    """The decisions for one customer."""
    request = Request(unit=unit, attributes=attributes, context=context or Context(), experiments=experiments)
    return decide(rules, state, request, now).decisions


def one(rules: Ruleset, unit: str | None = "c-42", **more: object) -> Decision:
    """The only decision for one customer."""
    (decision,) = ask(rules, unit, **more)  # type: ignore[arg-type]  # the arguments of `ask`
    return decision


def reweighted(experiment: Experiment, **changes: object) -> Experiment:
    """The experiment with another epoch since `NOW`."""
    epoch = next_epoch(experiment, NOW, **changes)  # type: ignore[arg-type]  # the arguments of `next_epoch`
    return structs.replace(experiment, epochs=(*experiment.epochs, epoch))


def exposed(decision: Decision, at: int = NOW) -> CustomerState:
    """A customer whose first exposure was this decision."""
    assert decision.epoch is not None
    assert decision.bucket is not None
    assert decision.propensity is not None
    assignment = Assignment(
        decision.experiment_id,
        decision.variant,
        decision.epoch,
        decision.segment,
        decision.bucket,
        decision.propensity,
        at,
    )
    return CustomerState(number=1, assignments={decision.experiment_id: assignment})


@pytest.mark.parametrize("unit", UNITS[:20])
def test_the_arm_is_the_range_of_the_bucket(unit: str) -> None:
    """A plain split is the published hash looked up in the ranges."""
    experiment = running(variants=(Variant(key="control", weight=0.3), Variant(key="b", weight=0.7)))
    slot = bucket(arm_salt(experiment), unit)
    decision = one(ruleset(experiment), unit)
    assert (decision.reason, decision.bucket, decision.variant) == ("SPLIT", slot, 0 if slot < 300_000 else 1)
    assert (decision.propensity, decision.epoch, decision.segment) == ((0.3, 0.7)[decision.variant], 1, None)


def test_everything_that_runs_is_answered_by_number() -> None:
    """Without names there is one entry for every running experiment and for stopped ones that serve an arm."""
    served = moved(running(4), "stop", now=NOW, serve={"": "control"})
    others = (running(2), moved(running(3), "pause", now=NOW), served, moved(running(5), "stop", now=NOW), draft(6))
    decisions = ask(ruleset(running(7), *others))
    assert [(d.experiment, d.reason) for d in decisions] == [("e2", "SPLIT"), ("e4", "SHIPPED"), ("e7", "SPLIT")]


def test_named_experiments_come_in_the_order_asked() -> None:
    """Names that don't exist or are drafts are listed as unknown; the rest is answered once each."""
    paused = moved(running(3), "pause", now=NOW)
    request = Request(unit="c", experiments=("e3", "nope", "e2", "e3", "e9"))
    answer = decide(ruleset(running(2), paused, draft(9)), NOBODY, request, NOW)
    assert [(d.experiment, d.reason) for d in answer.decisions] == [("e3", "NOT_RUNNING"), ("e2", "SPLIT")]
    assert answer.unknown == ["nope", "e9"]


def test_outside_the_experiment_nothing_is_said_of_enrolment() -> None:
    """Whoever is not enrolled has the control arm and no segment, propensity, epoch or bucket."""
    decision = one(ruleset(moved(running(), "pause", now=NOW)), experiments=("e1",))
    assert (decision.reason, decision.variant_key, decision.enrolled) == ("NOT_RUNNING", "control", False)
    assert (decision.segment, decision.propensity, decision.epoch, decision.bucket) == (None, None, None, None)


def test_without_a_control_the_first_variant_is_served_bare() -> None:
    """No control arm: outside the split the first variant's key and value, without its offer."""
    arms = (Variant(key="a", weight=0.5, offer="x"), Variant(key="b", weight=0.5, offer="y"))
    offers = (Offer(key="x", kind="engagement"), Offer(key="y", kind="engagement"))
    decision = one(ruleset(moved(running(variants=arms), "pause", now=NOW), offers=offers), experiments=("e1",))
    assert (decision.variant_key, decision.offer) == ("a", None)


def test_a_control_with_an_offer_keeps_it_outside() -> None:
    """Today's offer goes on for customers who are not in the experiment."""
    arms = (Variant(key="control", weight=0.5, offer="x"), Variant(key="b", weight=0.5, offer="y"))
    offers = (Offer(key="x", kind="engagement"), Offer(key="y", kind="engagement"))
    decision = one(ruleset(running(variants=arms, segments=("kr",)), offers=offers, segments=(KR,)))
    assert (decision.reason, decision.offer) == ("NOT_IN_SEGMENT", offers[0])


def test_nobody_enters_without_a_unit() -> None:
    """A request that names nobody is answered with control."""
    assert one(ruleset(running()), None).reason == "NO_UNIT"


def test_testers_see_their_arm() -> None:
    """A forced id has its arm whatever the hash says, and is not enrolled."""
    rules = ruleset(running(forced=dict.fromkeys(UNITS, "capsules-20")))
    assert {(d.reason, d.variant_key, d.enrolled) for unit in UNITS for d in ask(rules, unit)} == {
        ("FORCED", "capsules-20", False)
    }


class TestMoment:
    """What the request states against what the experiment's offers say."""

    cart = Offer(key="x", kind="engagement", placements=("cart",), channel="web", timing=Timing(trigger="checkout"))
    mail = Offer(key="y", kind="engagement", placements=("mail",), channel="email", timing=Timing(trigger="delivered"))
    open = Offer(key="z", kind="engagement")
    near = Offer(key="n", kind="engagement", trigger_products=("machine",))

    def reason(self, context: Context, *offers: Offer) -> str:
        """The reason under this context of an experiment with a bare control and these offers."""
        arms = (Variant(key="control", weight=0.5), *(Variant(key=o.key, weight=0.5, offer=o.key) for o in offers))
        return one(ruleset(running(variants=arms), offers=offers), context=context).reason

    @pytest.mark.parametrize(
        ("context", "fits"),
        [
            (Context(), True),
            (Context(placement="cart"), True),
            (Context(placement="mail"), True),
            (Context(placement="home"), False),
            (Context(channel="email"), True),
            (Context(channel="sms"), False),
            (Context(trigger_event="checkout"), True),
            (Context(trigger_event="viewed"), False),
            (Context(placement="cart", channel="sms"), False),
            (Context(trigger_sku="anything", cart=("a",)), True),
        ],
    )
    def test_a_stated_place_must_be_in_the_union(self, context: Context, fits: bool) -> None:  # noqa: FBT001 - expected
        """Only what is stated can fail, and it fails outside the union of all arms' offers."""
        assert (self.reason(context, self.cart, self.mail) == "SPLIT") is fits

    @pytest.mark.parametrize("context", [Context(placement="home"), Context(channel="sms"), Context(trigger_event="x")])
    def test_an_offer_without_places_fits_any(self, context: Context) -> None:
        """A union that contains an open offer matches everything."""
        assert self.reason(context, self.cart, self.open) == "SPLIT"

    @pytest.mark.parametrize(
        ("context", "fits"),
        [
            (Context(trigger_sku="machine"), True),
            (Context(trigger_sku="kettle"), False),
            (Context(trigger_sku="kettle", cart=("machine",)), True),
            (Context(cart=("tea", "machine")), True),
            (Context(cart=()), False),
            (Context(trigger_event="checkout"), True),
        ],
    )
    def test_trigger_products_look_at_trigger_and_cart(self, context: Context, fits: bool) -> None:  # noqa: FBT001 - expected
        """The trigger's sku or any sku of the cart must be a trigger product, if either is stated."""
        assert (self.reason(context, self.near) == "SPLIT") is fits


class TestSegments:
    """Who belongs, and to which segment."""

    def test_the_first_segment_by_priority_counts(self) -> None:
        """A customer of several segments belongs to the one of the lowest priority number."""
        rules = ruleset(running(segments=("kr", "repeat")), segments=(KR, REPEAT))
        assert one(rules, country="KR", orders_count=3).segment == "repeat"

    def test_of_equal_priorities_the_first_key_counts(self) -> None:
        """S89: with one priority the key decides, in whatever order the experiment names its segments."""
        tied = (structs.replace(KR, priority=5), structs.replace(REPEAT, priority=5))
        for names in (("kr", "repeat"), ("repeat", "kr")):
            rules = ruleset(running(segments=names), segments=tied)
            assert one(rules, country="KR", orders_count=3).segment == "kr"

    def test_outside_all_segments_nobody_enters(self) -> None:
        """No segment holds: NOT_IN_SEGMENT."""
        rules = ruleset(running(segments=("kr", "repeat")), segments=(KR, REPEAT))
        assert one(rules, country="US").reason == "NOT_IN_SEGMENT"

    def test_a_segment_has_its_own_shares(self) -> None:
        """The allocation of the customer's segment decides, and its share is the propensity."""
        experiment = running(segments=("kr", "repeat"), allocation={"kr": {"control": 0.0, "capsules-20": 1.0}})
        decision = one(ruleset(experiment, segments=(KR, REPEAT)), country="KR")
        assert (decision.variant_key, decision.propensity) == ("capsules-20", 1.0)

    def test_folded_orders_count(self) -> None:
        """Attributes are folded from orders; what the request says wins over them."""
        state = CustomerState(
            number=1, profile=Profile(orders={"a": (START, 1000, 0, START), "b": (START, 500, 0, START)})
        )
        rules = ruleset(running(segments=("repeat",)), segments=(REPEAT,))
        assert [one(rules, state=state).reason, one(rules, state=state, orders_count=1).reason] == [
            "SPLIT",
            "NOT_IN_SEGMENT",
        ]

    def test_a_lost_segment_holds_for_nobody(self) -> None:
        """A segment that was deleted lets nobody in."""
        assert one(ruleset(running(segments=("gone",)))).reason == "NOT_IN_SEGMENT"


class TestTraffic:
    """The gate before the arms."""

    def test_the_gate_lets_its_share_through(self) -> None:
        """Those below the gate's slot enter, the others have NOT_IN_TRAFFIC."""
        rules = ruleset(running(traffic=0.3))
        inside = {unit for unit in UNITS if bucket(salt_of("salt-1", "traffic"), unit) < 0.3 * SLOTS}
        assert {unit for unit in UNITS if one(rules, unit).enrolled} == inside
        assert {one(rules, unit).reason for unit in set(UNITS) - inside} == {"NOT_IN_TRAFFIC"}

    def test_growing_traffic_moves_nobody(self) -> None:
        """Everybody who was in stays in, in the same arm."""
        small, large = ruleset(running(traffic=0.3)), ruleset(running(traffic=0.9))
        before = {unit: one(small, unit).variant for unit in UNITS if one(small, unit).enrolled}
        assert before == {unit: one(large, unit).variant for unit in before if one(large, unit).enrolled}


class TestLayers:
    """Experiments that exclude each other."""

    page, mail = Layer(key="page", salt="p"), Layer(key="mail", salt="m")

    def test_nobody_is_in_two_experiments_of_a_layer(self) -> None:
        """Slots are owned once, so that every customer is in exactly one of two halves."""
        first = in_layer(draft(1, traffic=0.5), self.page)
        second = in_layer(draft(2, traffic=0.5), self.page, taken=(first,))
        rules = ruleset(first, second)
        assert {sum(d.enrolled for d in ask(rules, unit)) for unit in UNITS} == {1}
        assert {d.reason for unit in UNITS for d in ask(rules, unit)} == {"SPLIT", "EXCLUDED_BY_LAYER"}

    def test_an_experiment_in_two_layers_needs_both(self) -> None:
        """With two layers a customer's slot must be owned in each."""
        both = in_layer(draft(1, traffic=0.25), self.page, self.mail)
        rules = ruleset(both, in_layer(draft(2, traffic=0.5), self.page, taken=(both,)))
        inside = {
            unit for unit in UNITS if all(bucket(salt_of(salt, "layer"), unit) < 0.5 * SLOTS for salt in ("p", "m"))
        }
        assert {unit for unit in UNITS if ask(rules, unit)[0].enrolled} == inside


class TestSticky:
    """The first exposure wins."""

    def test_over_new_weights(self) -> None:
        """An exposed customer keeps variant, epoch and propensity after a change of weights."""
        plain = ruleset(running())
        changed = ruleset(reweighted(running(), weights={"control": 0.0, "capsules-20": 1.0}))
        for unit in UNITS:
            before = one(plain, unit)
            after = one(changed, unit, state=exposed(before), now=LATER)
            assert (after.variant, after.epoch, after.propensity, after.bucket) == (
                before.variant,
                1,
                0.5,
                before.bucket,
            )

    def test_over_segment_traffic_and_holdout(self) -> None:
        """Neither a lost segment, nor less traffic, nor a new holdout takes an exposed customer out."""
        experiment = running(segments=("kr",))
        state = exposed(one(ruleset(experiment, segments=(KR,)), country="KR"))
        changed = reweighted(experiment, traffic=0.000001)
        rules = ruleset(changed, holdout(9, 1.0), segments=(KR,))
        decision = one(rules, state=state, country="US", now=LATER, experiments=("e1",))
        assert (decision.reason, decision.segment, decision.epoch) == ("SPLIT", "kr", 1)

    def test_not_over_a_stop(self) -> None:
        """A kill switch reaches everybody."""
        experiment = running()
        state = exposed(one(ruleset(experiment)))
        paused = ruleset(moved(experiment, "pause", now=NOW))
        assert one(paused, state=state, experiments=("e1",)).reason == "NOT_RUNNING"

    def test_an_assignment_that_no_range_explains_is_kept_as_stored(self) -> None:
        """What was stored is said again, even a propensity that today's ranges would not give."""
        state = CustomerState(number=1, assignments={1: Assignment(1, 1, 1, None, 123, 0.25, START)})
        decision = one(ruleset(running()), state=state)
        assert (decision.variant, decision.bucket, decision.propensity) == (1, 123, 0.25)


class TestAfterTheStop:
    """What customers see from then on."""

    def test_one_arm_for_all(self) -> None:
        """The served arm is SHIPPED, to nobody's enrolment."""
        rules = ruleset(moved(running(), "stop", now=NOW, serve={"": "capsules-20"}))
        assert {(d.reason, d.variant_key, d.epoch) for unit in UNITS for d in ask(rules, unit)} == {
            ("SHIPPED", "capsules-20", None)
        }

    def test_an_arm_by_segment(self) -> None:
        """Each segment has the arm named for it; who is in none has NOT_IN_SEGMENT."""
        serve = {"kr": "capsules-20", "repeat": "control"}
        stopped = moved(running(segments=("kr", "repeat")), "stop", now=NOW, serve=serve)
        rules = ruleset(stopped, segments=(KR, REPEAT))
        decisions = [one(rules, country="KR"), one(rules, orders_count=5), one(rules)]
        assert [(d.reason, d.variant_key) for d in decisions] == [
            ("SHIPPED", "capsules-20"),
            ("SHIPPED", "control"),
            ("NOT_IN_SEGMENT", "control"),
        ]

    def test_without_an_id_too(self) -> None:
        """A shipped arm needs no unit."""
        assert one(ruleset(moved(running(), "stop", now=NOW, serve={"": "capsules-20"})), None).reason == "SHIPPED"


class TestHoldout:
    """Customers kept from all offers, to tell what the programme is worth."""

    def test_held_out_customers_get_control(self) -> None:
        """Exactly the holdout's first arm has HOLDOUT in covered experiments."""
        hold = holdout(1, 0.2)
        rules = ruleset(hold, running(2), running(3))
        for unit in UNITS:
            own, *covered = ask(rules, unit)
            held = bucket(arm_salt(hold), unit) < 200_000
            assert (own.reason, own.variant_key) == ("SPLIT", "held_out" if held else "programme")
            assert {d.reason for d in covered} == {"HOLDOUT" if held else "SPLIT"}

    def test_a_layer_holdout_covers_its_layer(self) -> None:
        """Experiments outside the layer go on."""
        rules = ruleset(holdout(1, 1.0, covers="page"), in_layer(draft(2), Layer(key="page", salt="p")), running(3))
        assert [d.reason for d in ask(rules)] == ["SPLIT", "HOLDOUT", "SPLIT"]

    def test_its_moment_comes_with_a_covered_experiment(self) -> None:
        """Where no covered experiment lets the customer through, the holdout is not exposed, in either arm."""
        for share in (0.0, 1.0):
            rules = ruleset(holdout(1, share), running(2, segments=("kr",)), segments=(KR,))
            assert [ask(rules)[0].reason, ask(rules, country="KR")[0].reason] == ["NO_CONTEXT_MATCH", "SPLIT"]

    def test_unasked_it_comes_along(self) -> None:
        """Asked for a covered experiment only, the holdout's decision is exposed with it but not answered."""
        rules = ruleset(holdout(1, 0.5), running(2))
        for unit in UNITS[:50]:
            answer = decide(rules, NOBODY, Request(unit=unit, experiments=("e2",)), NOW)
            assert [d.experiment for d in answer.decisions] == ["e2"]
            assert [(d.experiment, d.reason) for d in answer.holdouts] == [("holdout-1", "SPLIT")]

    def test_asked_alone_it_looks_at_all_it_covers(self) -> None:
        """Named alone, its moment has come if any covered experiment would let the customer through."""
        rules = ruleset(holdout(1, 0.5), running(2, segments=("kr",)), segments=(KR,))
        assert [
            one(rules, experiments=("holdout-1",)).reason,
            one(rules, experiments=("holdout-1",), country="KR").reason,
        ] == ["NO_CONTEXT_MATCH", "SPLIT"]

    def test_it_outlasts_a_stop(self) -> None:
        """What was shipped is kept from held-out customers too."""
        shipped = moved(running(2), "stop", now=NOW, serve={"": "capsules-20"})
        assert ask(ruleset(holdout(1, 1.0), shipped))[1].reason == "HOLDOUT"

    def test_its_first_exposure_wins_too(self) -> None:
        """A customer exposed as held out stays so when the holdout shrinks."""
        hold = holdout(1, 1.0)
        state = exposed(ask(ruleset(hold, running(2)))[0])
        shrunk = reweighted(hold, weights={"held_out": 0.0, "programme": 1.0})
        assert ask(ruleset(shrunk, running(2)), state=state, now=LATER)[1].reason == "HOLDOUT"

    def test_paused_it_holds_nobody(self) -> None:
        """A paused holdout lets everybody through."""
        rules = ruleset(moved(holdout(1, 1.0), "pause", now=NOW), running(2))
        assert one(rules).reason == "SPLIT"


class TestTime:
    """The same function answers for earlier times."""

    def test_as_of_an_earlier_epoch(self) -> None:
        """The ranges and the number of the epoch at that time decide."""
        changed = ruleset(reweighted(running(), weights={"control": 0.0, "capsules-20": 1.0}))
        plain = ruleset(running())
        for unit in UNITS:
            assert said(one(changed, unit, now=NOW - 1)) == said(one(plain, unit))
            assert (one(changed, unit).epoch, one(changed, unit).propensity) == (2, 1.0)

    def test_as_of_before_the_start(self) -> None:
        """An experiment that had not started is unknown."""
        answer = decide(ruleset(running()), NOBODY, Request(unit="c", experiments=("e1",)), START - 1)
        assert (answer.decisions, answer.unknown) == ([], ["e1"])

    def test_as_of_before_a_pause(self) -> None:
        """A paused experiment was running before."""
        rules = ruleset(moved(running(), "pause", now=NOW))
        reasons = [one(rules, now=now, experiments=("e1",)).reason for now in (NOW - 1, NOW)]
        assert reasons == ["SPLIT", "NOT_RUNNING"]

    def test_a_holdout_that_began_later_held_nobody_before(self) -> None:
        """As of a time before the holdout, covered experiments are open."""
        hold = holdout(1, 1.0)
        late = structs.replace(
            hold,
            epochs=(structs.replace(hold.epochs[0], started_at=NOW),),
            changes=(structs.replace(hold.changes[0], at=NOW),),
        )
        rules = ruleset(late, running(2))
        assert [d.reason for d in ask(rules, now=NOW - 1)] == ["SPLIT"]
        assert [d.reason for d in ask(rules)] == ["SPLIT", "HOLDOUT"]


class TestStale:
    """The store did not answer: hash alone."""

    def test_unweighted_experiments_are_settled_by_hash(self) -> None:
        """An experiment that was never re-weighted gives an unread customer the same answer, fit to expose."""
        rules = ruleset(running())
        for unit in UNITS:
            (decision,) = ask(rules, unit, state=UNREAD)
            assert decision == one(rules, unit)
            assert settled_without_state(rules, decision, Request(unit=unit), NOW)

    @pytest.mark.parametrize(
        ("changes", "settled"),
        [
            ({"weights": {"control": 0.4, "capsules-20": 0.6}}, False),
            ({"traffic": 0.5}, False),
            ({"traffic": 1.0}, True),
        ],
        ids=["weights", "less-traffic", "no-change"],
    )
    def test_a_reweighted_experiment_is_not(self, changes: dict[str, object], settled: bool) -> None:  # noqa: FBT001 - expected
        """After a change that may have moved somebody, a stale decision is answered but not exposed."""
        rules = ruleset(reweighted(running(), **changes))
        request = Request(unit="c-42")
        assert settled_without_state(rules, one(rules, state=UNREAD), request, NOW) is settled

    def test_growing_traffic_is(self) -> None:
        """Traffic that only grew moved nobody."""
        rules = ruleset(reweighted(running(traffic=0.2), traffic=1.0))
        assert settled_without_state(rules, one(rules, state=UNREAD), Request(unit="c-42"), NOW)

    def test_segments_need_what_they_look_at(self) -> None:
        """A segment is settled when the request tells every attribute it looks at."""
        rules = ruleset(running(segments=("kr",)), segments=(KR,))
        asked = [Request(unit="c-42"), Request(unit="c-42", attributes={"country": "KR"})]
        assert [settled_without_state(rules, decide(rules, UNREAD, r, NOW).decisions[0], r, NOW) for r in asked] == [
            False,
            True,
        ]


class TestAnonymous:
    """An experiment may bucket on the anonymous id."""

    def test_the_anonymous_id_decides_where_chosen(self) -> None:
        """Logged in or not, the anonymous id gives the arm."""
        rules = ruleset(running(bucket_by="anonymous_id"))
        for unit in UNITS[:50]:
            before = decide(rules, NOBODY, Request(unit=unit, anonymous="anon-1"), NOW).decisions
            after = decide(rules, NOBODY, Request(unit="anon-1", anonymous="anon-1"), NOW).decisions
            assert before == after

    def test_elsewhere_the_customer_id_decides(self) -> None:
        """By default an anonymous id changes nothing."""
        rules = ruleset(running())
        request = Request(unit="c-42", anonymous="anon-1")
        assert decide(rules, NOBODY, request, NOW).decisions == [one(rules)]


@given(st.text(min_size=1, max_size=40).filter(lambda text: text.isprintable()))
def test_any_id_has_the_arm_of_its_bucket(unit: str) -> None:
    """Whatever the script, the hash of the UTF-8 bytes decides."""
    decision = one(ruleset(running(7)), unit)
    assert decision.bucket == bucket("salt-7.arm", unit)
    assert decision.variant == int(bucket("salt-7.arm", unit) >= SLOTS // 2)
