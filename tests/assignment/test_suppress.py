"""Suppression: every reason, only where it was asked for, and never a change of arm."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offerlab.assignment.decide import decide
from offerlab.domain.clock import DAY, to_micros
from offerlab.domain.customer import NOBODY, UNREAD, CustomerState, Profile, product_declined
from offerlab.domain.decision import ANYWHERE, Context, Decision, Request
from offerlab.domain.experiment import Variant
from offerlab.domain.lifecycle import moved
from offerlab.domain.offer import Offer, Timing
from offerlab.domain.product import Product, Relation
from offerlab.domain.project import Caps, ProjectSettings
from offerlab.domain.timing import QuietHours

from .laboratory import NOW, ruleset, running

OFF = ProjectSettings()
CAPSULES = Product(sku="capsules", name="Capsules", price_micro=18_000_000, category="coffee")
MUG = Product(sku="mug", name="Mug", price_micro=9_000_000, category="coffee")
MACHINE = Product(
    sku="machine", name="Machine", price_micro=129_000_000, category="coffee", attributes={"durable": True}
)
GONE = Product(sku="gone", name="Gone", price_micro=5_000_000, stock=0)
CATALOGUE = (CAPSULES, MUG, MACHINE, GONE)
GRANTED = Profile(consents={"email:marketing": (1, True), "sms:marketing": (1, True), "push:ads": (1, True)})


def offer(*skus: str, **fields: object) -> Offer:
    """A curated cross-sell of these products, or whatever `fields` make of it."""
    return Offer(**({"key": "x", "kind": "cross_sell", "products": skus} | fields))  # type: ignore[arg-type]  # named by the test


def decided(
    shown: Offer,
    profile: Profile = Profile(),  # noqa: B008 - frozen
    *,
    context: Context = ANYWHERE,
    settings: ProjectSettings = OFF,
    relations: tuple[Relation, ...] = (),
    attributes: dict[str, object] | None = None,
    now: int = NOW,
) -> Decision:
    """The decision in an experiment whose only enrolled arm shows this offer."""
    arms = (Variant(key="control", weight=0.0), Variant(key="t", weight=1.0, offer=shown.key))
    rules = ruleset(running(variants=arms), offers=(shown,), products=CATALOGUE, relations=relations, settings=settings)
    state = CustomerState(number=1, profile=profile)
    request = Request(unit="c-42", attributes=attributes or {}, context=context)
    (decision,) = decide(rules, state, request, now).decisions
    assert (decision.reason, decision.variant_key, decision.propensity) == ("SPLIT", "t", 1.0)
    return decision


def seoul(hour: int, minute: int = 0, second: int = 0) -> int:
    """A moment of 1 October 2026 in Seoul, which keeps UTC+9 all year."""
    return to_micros(datetime(2026, 10, 1, hour, minute, second, tzinfo=UTC)) - 9 * 3_600_000_000


def test_nothing_is_suppressed_that_nobody_asked_for() -> None:
    """With settings as they come, a customer sees the offer however often it was shown, declined or complained of."""
    worn = Profile(shown={"2026-09-22:web": 99}, declined={"x": NOW - 1}, trouble_at=NOW - 1, owned={"capsules": 1})
    decision = decided(offer("capsules"), worn)
    assert (decision.suppressed, decision.products) == (None, ("capsules",))


@pytest.mark.parametrize(
    ("shown", "context", "expected"),
    [
        (offer("capsules"), Context(cart=("capsules",)), "in_cart"),
        (offer("capsules"), Context(cart=("mug",)), None),
        (offer("gone"), ANYWHERE, "out_of_stock"),
        (offer("machine"), ANYWHERE, "owned"),
        (offer("unheard-of"), ANYWHERE, "no_match"),
    ],
    ids=["in-cart", "other-cart", "sold-out", "owned", "not-in-the-catalogue"],
)
def test_a_product_that_makes_no_sense(shown: Offer, context: Context, expected: str | None) -> None:
    """The offered product is in the cart, sold out, owned and durable, or gone."""
    decision = decided(shown, Profile(owned={"machine": NOW - DAY, "capsules": NOW - DAY}), context=context)
    assert (decision.suppressed, decision.offer is None) == (expected, expected is not None)


@pytest.mark.parametrize(("bought_days", "expected"), [(None, None), (29, "owned"), (31, None)])
def test_a_consumable_is_offered_when_it_is_due(bought_days: int | None, expected: str | None) -> None:
    """S32: beans that last thirty days are not offered to who bought them 29 days ago, and are two days later."""
    beans = Product(sku="mug", name="Beans", price_micro=1, attributes={"lasts_days": 30})
    arms = (Variant(key="t", weight=1.0, offer="x"),)
    rules = ruleset(running(variants=arms), offers=(offer("mug"),), products=(beans,))
    owned = {} if bought_days is None else {"mug": NOW - bought_days * DAY}
    (decision,) = decide(rules, CustomerState(number=1, profile=Profile(owned=owned)), Request(unit="c"), NOW).decisions
    assert decision.suppressed == expected


def test_of_several_products_the_others_remain() -> None:
    """A cross-sell goes on with the products that may be shown."""
    assert decided(offer("gone", "mug", "capsules"), context=Context(cart=("mug",))).products == ("capsules",)


def test_a_bundle_needs_all_of_its_products() -> None:
    """One missing product withholds a bundle."""
    bundle = Offer(key="x", kind="bundle", products=("mug", "gone"))
    assert decided(bundle).suppressed == "out_of_stock"


def test_an_offer_of_another_moment_in_the_same_experiment() -> None:
    """The arm's own offer does not fit although another arm's does: no_match, and the customer stays."""
    here = Offer(key="x", kind="engagement", placements=("cart",))
    there = Offer(key="y", kind="engagement", placements=("checkout",))
    arms = (Variant(key="a", weight=1.0, offer="x"), Variant(key="b", weight=0.0, offer="y"))
    rules = ruleset(running(variants=arms), offers=(here, there))
    request = Request(unit="c", context=Context(placement="checkout"))
    (decision,) = decide(rules, NOBODY, request, NOW).decisions
    assert (decision.reason, decision.suppressed, decision.offer) == ("SPLIT", "no_match", None)


class TestConsent:
    """Email, sms and push reach only who said yes."""

    @pytest.mark.parametrize(
        ("channel", "profile", "expected"),
        [
            ("email", Profile(), "consent"),
            ("sms", Profile(), "consent"),
            ("push", Profile(), "consent"),
            ("web", Profile(), None),
            ("agent", Profile(), None),
            ("email", GRANTED, None),
            ("push", GRANTED, None),
            ("email", Profile(consents={"email:transactional": (1, True)}), "consent"),
            ("email", Profile(consents={"email:marketing": (1, True), "email:ads": (2, False)}), "consent"),
            ("email", Profile(consents={"email:marketing": (2, True), "email:ads": (1, False)}), None),
            ("email", Profile(consents={"email:marketing": (1, True), "email:ads": (1, False)}), "consent"),
        ],
    )
    def test_by_channel(self, channel: str, profile: Profile, expected: str | None) -> None:
        """The latest word about offers through that channel counts; at the same instant a refusal."""
        assert decided(offer("capsules", channel=channel), profile).suppressed == expected

    def test_a_channel_of_the_request_counts_where_the_offer_has_none(self) -> None:
        """An offer for any channel asks for consent when the request sends it."""
        assert decided(offer("capsules"), context=Context(channel="sms")).suppressed == "consent"

    def test_an_unread_customer_has_not_consented(self) -> None:
        """When the store does not answer, nothing is sent on a guess."""
        arms = (Variant(key="control", weight=0.0), Variant(key="t", weight=1.0, offer="x"))
        rules = ruleset(running(variants=arms), offers=(offer("mug", channel="email"),), products=CATALOGUE)
        assert decide(rules, UNREAD, Request(unit="c"), NOW).decisions[0].suppressed == "consent"


class TestQuietHours:
    """21:00 to 08:00 in the recipient's zone."""

    @pytest.mark.parametrize(
        ("now", "expected"),
        [
            (seoul(20, 59, 59), None),
            (seoul(21), "quiet_hours"),
            (seoul(3), "quiet_hours"),
            (seoul(7, 59, 59), "quiet_hours"),
            (seoul(8), None),
        ],
        ids=["20:59:59", "21:00", "03:00", "07:59:59", "08:00"],
    )
    @pytest.mark.parametrize(
        "told", [{"timezone": "Asia/Seoul"}, {"country": "KR"}, {"timezone": "?", "country": "kr"}]
    )
    def test_in_seoul(self, now: int, told: dict[str, object], expected: str | None) -> None:
        """The zone comes from the attributes, or from the country."""
        assert decided(offer("mug", channel="sms"), GRANTED, attributes=told, now=now).suppressed == expected

    def test_not_with_night_consent(self) -> None:
        """A separate consent opens the night."""
        profile = Profile(consents={**GRANTED.consents, "sms:night": (1, True)})
        decision = decided(offer("mug", channel="sms"), profile, attributes={"country": "KR"}, now=seoul(23))
        assert decision.suppressed is None

    @pytest.mark.parametrize("channel", ["web", "agent"])
    def test_never_on_the_web(self, channel: str) -> None:
        """Nobody is woken by a page."""
        shown = offer("mug", channel=channel)
        assert decided(shown, attributes={"country": "KR"}, now=seoul(23)).suppressed is None

    def test_the_project_zone_is_for_who_told_none(self) -> None:
        """Without zone and country the project's zone counts, and without that nothing binds."""
        shown = offer("mug", channel="email")
        home = ProjectSettings(timezone="Asia/Seoul")
        assert [
            decided(shown, GRANTED, settings=home, now=seoul(23)).suppressed,
            decided(shown, GRANTED, now=seoul(23)).suppressed,
        ] == ["quiet_hours", None]

    def test_known_from_the_profile(self) -> None:
        """What profile events told of the zone counts like an attribute of the request."""
        profile = Profile(consents=GRANTED.consents, attributes={"country": (1, "KR")})
        assert decided(offer("mug", channel="push"), profile, now=seoul(23)).suppressed == "quiet_hours"

    def test_a_delayed_offer_is_judged_at_its_due_time(self) -> None:
        """What is due at night is quiet although the trigger is at noon."""
        shown = offer("mug", channel="sms", timing=Timing(delay_seconds=10 * 3600))
        assert decided(shown, GRANTED, attributes={"country": "KR"}, now=seoul(12)).suppressed == "quiet_hours"

    def test_the_window_is_the_projects(self) -> None:
        """Another window, other channels, or none at all."""
        shown = offer("mug", channel="email")
        noon = QuietHours(start_minute=11 * 60, end_minute=13 * 60)
        results = [
            decided(shown, GRANTED, settings=ProjectSettings(quiet_hours=quiet), attributes={"country": "KR"}, now=at)
            for quiet, at in ((noon, seoul(12)), (QuietHours(channels=("sms",)), seoul(23)), (None, seoul(23)))
        ]
        assert [one.suppressed for one in results] == ["quiet_hours", None, None]

    def test_a_wide_country_is_quiet_where_either_end_is(self) -> None:
        """21:00 in New York is quiet for a customer known to be somewhere in the United States."""
        at = to_micros(datetime(2026, 10, 2, 1, 0, tzinfo=UTC))
        assert decided(offer("mug", channel="sms"), GRANTED, attributes={"country": "US"}, now=at).suppressed


class TestCaps:
    """Too many offers tire."""

    day = datetime.fromtimestamp(NOW / 1e6, UTC).date().isoformat()
    before = datetime.fromtimestamp((NOW - 6 * DAY) / 1e6, UTC).date().isoformat()
    long_ago = datetime.fromtimestamp((NOW - 7 * DAY) / 1e6, UTC).date().isoformat()

    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            (ProjectSettings(caps={"web": Caps(per_day=3)}), None),
            (ProjectSettings(caps={"web": Caps(per_day=2)}), "cap"),
            (ProjectSettings(caps={"web": Caps(per_week=5)}), None),
            (ProjectSettings(caps={"web": Caps(per_week=4)}), "cap"),
            (ProjectSettings(caps={"email": Caps(per_day=0)}), None),
            (ProjectSettings(global_cap=Caps(per_day=4)), None),
            (ProjectSettings(global_cap=Caps(per_day=3)), "cap"),
            (ProjectSettings(global_cap=Caps(per_week=6)), None),
            (ProjectSettings(global_cap=Caps(per_week=5)), "cap"),
            (ProjectSettings(caps={"web": Caps(per_day=0)}), "cap"),
        ],
    )
    def test_by_channel_and_over_all(self, settings: ProjectSettings, expected: str | None) -> None:
        """2 on the web and 1 by mail today, 2 on the web six days ago; what is older does not count."""
        shown = {f"{self.day}:web": 2, f"{self.day}:email": 1, f"{self.before}:web": 2, f"{self.long_ago}:web": 9}
        assert decided(offer("mug"), Profile(shown=shown), settings=settings).suppressed == expected

    def test_slots_of_a_page(self) -> None:
        """The first offers of one answer fill the page; the rest is capped and stays in its arms."""
        arms = (Variant(key="t", weight=1.0, offer="x"),)
        experiments = [running(i, variants=arms) for i in range(1, 5)]
        rules = ruleset(*experiments, offers=(offer("mug"),), products=CATALOGUE, settings=ProjectSettings(slots=2))
        decisions = decide(rules, NOBODY, Request(unit="c"), NOW).decisions
        assert [one.suppressed for one in decisions] == [None, None, "cap", "cap"]
        assert {one.reason for one in decisions} == {"SPLIT"}


class TestCoolingDown:
    """After a no, and after trouble."""

    @pytest.mark.parametrize(
        ("profile", "expected"),
        [
            (Profile(declined={"x": NOW - 7 * DAY + 1}), "cooling_down"),
            (Profile(declined={"x": NOW - 7 * DAY}), None),
            (Profile(declined={"other": NOW}), None),
            (Profile(trouble_at=NOW - 30 * DAY + 1), "cooling_down"),
            (Profile(trouble_at=NOW - 30 * DAY), None),
        ],
    )
    def test_for_so_many_days(self, profile: Profile, expected: str | None) -> None:
        """A declined offer stays away, and every offer after a refund or complaint."""
        settings = ProjectSettings(declined_days=7, trouble_days=30)
        assert decided(offer("mug"), profile, settings=settings).suppressed == expected

    @pytest.mark.parametrize(
        ("shown", "expected"),
        [
            (offer("mug"), ("cooling_down", ())),
            (offer("mug", "capsules"), (None, ("capsules",))),
            (offer("mug", "capsules", kind="bundle"), ("cooling_down", ())),
            (offer(match="random"), (None, ("capsules",))),
        ],
        ids=["alone", "beside another", "in a bundle", "by a match"],
    )
    def test_a_product_declined_elsewhere(self, shown: Offer, expected: tuple[str | None, tuple[str, ...]]) -> None:
        """A product that was declined lately stays away in every offer; what else the offer has is still shown."""
        settings = ProjectSettings(declined_days=7)
        profile = Profile(declined={product_declined("mug"): NOW - 7 * DAY + 1}, owned={"machine": 1})
        found = decided(shown, profile, settings=settings)
        assert (found.suppressed, found.products) == expected
        assert decided(shown, profile).suppressed is None, "no cool-down was set"


class TestMatches:
    """Offers whose product is found for the customer."""

    relations = (
        Relation(sku="machine", kind="complement", target="gone", rank=0, source="affinity", evidence={"lift": 9.0}),
        Relation(sku="machine", kind="complement", target="mug", rank=2, source="affinity", evidence={"lift": 1.2}),
        Relation(
            sku="machine", kind="complement", target="capsules", rank=1, source="affinity", evidence={"lift": 3.0}
        ),
        Relation(sku="mug", kind="upgrade", target="machine"),
    )
    triggered = Context(trigger_sku="machine")

    def picked(self, shown: Offer, *args: object, **more: object) -> tuple[str | None, tuple[str, ...]]:
        """Suppression and products of this offer."""
        decision = decided(shown, *args, relations=self.relations, **more)  # type: ignore[arg-type]  # as `decided`
        return decision.suppressed, decision.products

    def test_affinity_takes_the_best_that_may_be_shown(self) -> None:
        """The sold-out first match gives way to the second."""
        assert self.picked(offer(match="affinity"), context=self.triggered) == (None, ("capsules",))

    def test_an_offer_names_what_may_be_matched(self) -> None:
        """Matches outside the offer's products are passed over."""
        assert self.picked(offer("mug", match="affinity"), context=self.triggered) == (None, ("mug",))

    def test_below_the_floor(self) -> None:
        """A match whose lift is under the floor is not worth offering; the first reason found is the one said."""
        settings = ProjectSettings(affinity_floor=2.0)
        assert self.picked(offer("mug", match="affinity"), context=self.triggered, settings=settings) == (
            "low_affinity",
            (),
        )

    def test_curated_knows_no_floor(self) -> None:
        """What a person chose is never called too weak."""
        settings = ProjectSettings(affinity_floor=99.0)
        assert self.picked(offer("mug"), context=self.triggered, settings=settings) == (None, ("mug",))

    def test_the_latest_purchase_stands_in_for_a_trigger(self) -> None:
        """Without trigger and cart the moment is about what was bought last."""
        profile = Profile(owned={"machine": NOW - DAY, "mug": NOW - 2 * DAY})
        assert self.picked(offer(match="affinity"), profile) == (None, ("capsules",))

    def test_nothing_to_go_by(self) -> None:
        """No trigger, no cart, no purchase: no_match."""
        assert self.picked(offer(match="affinity")) == ("no_match", ())

    @pytest.mark.parametrize(
        ("context", "owned", "expected"),
        [
            (Context(trigger_sku="machine"), {}, (None, ("capsules",))),
            (Context(trigger_sku="machine", trigger_event="product_viewed"), {}, (None, ("capsules",))),
            (Context(trigger_sku="machine", trigger_event="order_placed"), {}, ("owned", ())),
            (Context(trigger_sku="machine", trigger_event="shipment_delivered"), {}, ("owned", ())),
            (Context(trigger_sku="machine"), {"machine": NOW - DAY}, ("owned", ())),
            (Context(trigger_sku="mug", trigger_event="order_placed"), {}, (None, ("capsules",))),
            (Context(cart=("machine", "mug"), trigger_event="order_placed"), {}, (None, ("capsules",))),
        ],
        ids=["wanted", "looked at", "just bought", "just delivered", "owned", "consumable", "one of two"],
    )
    def test_nothing_stands_in_for_what_a_customer_has(
        self, context: Context, owned: dict[str, int], expected: tuple[str | None, tuple[str, ...]]
    ) -> None:
        """S60: another machine is proposed to who looks for one, never to who has just bought one; another mug is."""
        found = self.picked(offer(match="similar"), Profile(owned=owned), context=context)
        assert found == expected

    def test_similar_is_the_category_by_price(self) -> None:
        """Without substitutes the nearest price of the same category."""
        assert self.picked(offer(match="similar"), context=Context(trigger_sku="capsules")) == (None, ("mug",))

    def test_an_upsell_takes_its_upgrades(self) -> None:
        """An upsell by match offers the upgrade of what is being bought."""
        shown = Offer(key="x", kind="upsell", match="affinity")
        assert self.picked(shown, context=Context(trigger_sku="mug")) == (None, ("machine",))

    def test_the_last_view_that_is_fresh(self) -> None:
        """The latest view within the window that may be shown."""
        profile = Profile(viewed={"mug": NOW - 2 * DAY, "gone": NOW - DAY, "capsules": NOW - 31 * DAY})
        assert self.picked(offer(match="recently_viewed"), profile) == (None, ("mug",))
        assert self.picked(offer(match="recently_viewed"), Profile()) == ("no_match", ())
        wider = ProjectSettings(viewed_days=32)
        late = Profile(viewed={"capsules": NOW - 31 * DAY})
        assert self.picked(offer(match="recently_viewed"), late) == ("no_match", ())
        assert self.picked(offer(match="recently_viewed"), late, settings=wider) == (None, ("capsules",))

    def test_a_random_match_stays(self) -> None:
        """The same customer is offered the same product, and over customers all that may be shown appear."""
        shown = offer("mug", "capsules", "gone", match="random")
        arms = (Variant(key="t", weight=1.0, offer="x"),)
        rules = ruleset(running(variants=arms), offers=(shown,), products=CATALOGUE)
        drawn = [decide(rules, NOBODY, Request(unit=f"c{i}"), NOW).decisions[0].products for i in range(60)]
        again = [decide(rules, NOBODY, Request(unit=f"c{i}"), NOW).decisions[0].products for i in range(60)]
        assert (drawn == again, set(drawn)) == (True, {("mug",), ("capsules",)})


def test_a_shipped_offer_is_withheld_without_being_called_suppressed() -> None:
    """After a stop nobody is enrolled, so that no suppression is said, but nothing in the cart is offered either."""
    arms = (Variant(key="control", weight=0.5), Variant(key="t", weight=0.5, offer="x"))
    rules = ruleset(
        moved(running(variants=arms), "stop", now=NOW, serve={"": "t"}), offers=(offer("mug"),), products=CATALOGUE
    )
    (decision,) = decide(rules, NOBODY, Request(unit="c", context=Context(cart=("mug",))), NOW).decisions
    assert (decision.reason, decision.offer, decision.suppressed, decision.withheld) == (
        "SHIPPED",
        None,
        None,
        "in_cart",
    )


def test_a_tester_sees_the_offer_in_any_case() -> None:
    """A forced arm shows its offer although it is sold out and nobody consented."""
    arms = (Variant(key="control", weight=0.5), Variant(key="t", weight=0.5, offer="x"))
    shown = offer("gone", channel="email")
    rules = ruleset(running(variants=arms, forced={"qa": "t"}), offers=(shown,), products=CATALOGUE)
    (decision,) = decide(rules, NOBODY, Request(unit="qa"), NOW).decisions
    assert (decision.reason, decision.offer) == ("FORCED", shown)


def test_controls_own_offer_keeps_to_its_moment_when_paused() -> None:
    """Today's offer goes on while the experiment is paused, but only where it belongs."""
    arms = (Variant(key="control", weight=0.5, offer="x"), Variant(key="t", weight=0.5, offer="y"))
    today = offer("mug", placements=("cart",))
    rules = ruleset(
        moved(running(variants=arms), "pause", now=NOW),
        offers=(today, Offer(key="y", kind="engagement")),
        products=CATALOGUE,
    )
    shown = [
        decide(rules, NOBODY, Request(unit="c", context=Context(placement=place), experiments=("e1",)), NOW)
        for place in ("cart", "checkout")
    ]
    assert [answer.decisions[0].offer for answer in shown] == [today, None]


@given(
    st.lists(st.sampled_from(["capsules", "mug", "machine", "gone"]), max_size=3),
    st.sampled_from(["web", "email", None]),
    st.sampled_from(["curated", "affinity", "random"]),
    st.booleans(),
)
def test_the_arm_never_depends_on_the_offer(cart: list[str], channel: str | None, match: str, capped: bool) -> None:  # noqa: FBT001 - drawn
    """Whatever withholds the offer, variant, bucket and propensity are those of the bare experiment."""
    settings = ProjectSettings(caps={"web": Caps(per_day=0)}) if capped else OFF
    arms = (Variant(key="control", weight=0.5), Variant(key="t", weight=0.5, offer="x"))
    shown = offer("mug", channel=channel, match=match)
    dressed = ruleset(running(variants=arms), offers=(shown,), products=CATALOGUE, settings=settings)
    bare = ruleset(running(variants=arms))
    for i in range(20):
        request = Request(unit=f"c{i}", context=Context(cart=tuple(cart)))
        (one,), (other,) = (decide(rules, NOBODY, request, NOW).decisions for rules in (dressed, bare))
        assert (one.variant, one.bucket, one.propensity) == (other.variant, other.bucket, other.propensity)
