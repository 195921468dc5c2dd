"""A profile is what its events say, in whatever order and under however many ids they came."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from offerlab.domain.clock import DAY
from offerlab.domain.customer import Profile
from offerlab.domain.event import Event, EventType, Exposure, Interaction, Order, OrderLine, Refund
from offerlab.intake.folding import fold, unite

START = 20_000 * DAY
SKUS = st.sampled_from(("a", "b", "c"))
WORDS = st.sampled_from(("x", "y"))


def _order(order_id: str, sku: str, net: int, revision: int, currency: str) -> Order:
    line = OrderLine(line_id="1", sku=sku, quantity=1, price_micro=0, net_minor=net)
    return Order(order_id=order_id, currency=currency, lines=(line,), net_minor=net, revision=revision)


def _said(name: str, value: object) -> Interaction:
    return Interaction(data={name: value})


def _consent(channel: str, granted: bool) -> Interaction:  # noqa: FBT001 - drawn by place
    return Interaction(data={"channel": channel, "granted": granted})


FACTS: st.SearchStrategy[tuple[EventType, Any]] = st.one_of(
    st.tuples(
        st.just("order"),
        st.builds(_order, WORDS, SKUS, st.integers(0, 9), st.integers(0, 2), st.sampled_from(("USD", "EUR"))),
    ),
    st.tuples(st.just("refund"), st.builds(Refund, refund_id=WORDS, order_id=WORDS, currency=st.just("USD"))),
    st.tuples(st.just("product_viewed"), st.builds(Interaction, sku=SKUS)),
    st.tuples(
        st.just("cart_updated"),
        st.builds(
            _said,
            st.sampled_from(("skus", "added", "removed")),
            st.lists(SKUS, max_size=2),
        ),
    ),
    st.tuples(st.just("profile"), st.builds(_said, WORDS, st.integers(0, 3))),
    st.tuples(
        st.just("consent"),
        st.builds(_consent, WORDS, st.booleans()),
    ),
    st.tuples(st.just("unsubscribe"), st.builds(_said, st.just("channel"), WORDS)),
    st.tuples(st.just("review"), st.builds(Interaction, sku=SKUS, number=st.sampled_from((1.0, 5.0)))),
    st.tuples(st.just("offer_declined"), st.builds(Interaction, offer=WORDS)),
    st.tuples(st.just("complaint"), st.just(Interaction())),
    st.tuples(
        st.just("exposure"),
        st.builds(
            Exposure,
            experiment_id=st.just(1),
            variant=st.just(0),
            epoch=st.just(1),
            bucket=st.just(0),
            propensity=st.just(0.5),
            offer=st.none() | WORDS,
            channel=st.none() | WORDS,
        ),
    ),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Up to 25 events on a coarse clock, so that instants coincide."""
    found = draw(st.lists(st.tuples(FACTS, st.integers(0, 40)), max_size=25))
    return [
        Event(id=str(i), type=kind, customer="c", occurred_at=START + half * DAY // 2, digest=b"", fact=fact)
        for i, ((kind, fact), half) in enumerate(found)
    ]


def folded(events: list[Event]) -> Profile:
    """The profile of these events."""
    profile = Profile()
    for event in events:
        profile = fold(profile, event, currency="USD")
    return profile


def plain(profile: Profile) -> bytes:
    """One byte form of equal profiles."""
    return msgspec.json.encode(profile, order="deterministic")


@given(events=histories(), order=st.randoms(use_true_random=False))
def test_replay_in_any_order_gives_the_identical_profile(events: list[Event], order: Any) -> None:
    """Folding the same events in another order gives the same bytes."""
    shuffled = list(events)
    order.shuffle(shuffled)
    assert plain(folded(events)) == plain(folded(shuffled))


@given(events=histories(), owners=st.lists(st.integers(0, 2), min_size=25, max_size=25))
def test_one_person_under_three_ids_is_one_person(events: list[Event], owners: list[int]) -> None:
    """Uniting the profiles of several ids equals folding everything into one, field by field."""
    parts = [[event for event, owner in zip(events, owners, strict=False) if owner == i] for i in range(3)]
    assert plain(folded(events)) == plain(unite([folded(part) for part in parts]))


def test_an_order_is_as_old_as_its_first_telling() -> None:
    """An update a week later changes what an order was worth, not when it was bought, whichever of them comes first."""
    told = [
        Event(
            id=str(revision),
            type="order",
            customer="c",
            occurred_at=START + revision * 7 * DAY,
            digest=b"",
            fact=_order("x", "a", 5 + revision, revision, "USD"),
        )
        for revision in range(3)
    ]
    expected = {"x": (START, 7, 2, START + 14 * DAY)}
    assert folded(told).orders == folded(told[::-1]).orders == expected
