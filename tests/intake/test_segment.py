"""Segment and GA4 payloads as native events: the tables against hand-made examples of the specifications."""

import json
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offerlab.domain.clock import SECOND, iso
from offerlab.domain.event import Order, Rejection
from offerlab.intake import ga4, segment
from offerlab.intake.arrival import Arrival
from offerlab.intake.canonical import fact_of
from offerlab.intake.mapping import Each, Rule
from offerlab.intake.native import Native, NativeCartUpdated, NativeOrder, NativeProfile, NativeRefund
from offerlab.intake.purchases import Catalogue

NOW = 1_790_000_000 * SECOND
CATALOGUE = Catalogue(currency="USD", cost_of=lambda _sku: None, experiment=lambda _key: None)


def arrive(body: dict[str, Any], *, kind: str | None = None, sent_at: int | None = None) -> Arrival:
    """What one message says."""
    return segment.arrival(json.dumps(body).encode(), 0, kind=kind, sent_at=sent_at, now=NOW)


def track(event: str, properties: dict[str, Any], **more: Any) -> Native:
    """The native event of a `track` call."""
    said = arrive({"type": "track", "messageId": "m", "userId": "u", "event": event, "properties": properties, **more})
    assert not isinstance(said.said, Rejection | None), said
    return said.said


def order_of(said: Native) -> Order:
    """The canonical order of a native one."""
    fact = fact_of(said, CATALOGUE)
    assert isinstance(fact, Order)
    return fact


def test_an_order_is_counted_from_its_lines() -> None:
    """The example of the specification: lines of 25.00 less 2.50, tax and shipping apart, `revenue` not believed."""
    order = order_of(
        track(
            "Order Completed",
            {
                "order_id": "50314b8e9bcf000000000000",
                "total": 27.50,
                "subtotal": 22.50,
                "revenue": 25.00,
                "shipping": 3,
                "tax": 2,
                "discount": 2.5,
                "coupon": "hasbros",
                "currency": "USD",
                "products": [
                    {"product_id": "507f1f77bcf86cd799439011", "sku": "45790-32", "price": 19, "quantity": 1},
                    {"product_id": "505bd76785ebb509fc183733", "sku": "46493-32", "price": 3, "quantity": 2},
                ],
            },
        )
    )
    assert (order.net_minor, order.shipping_minor, order.tax_minor, order.code) == (2250, 300, 200, "hasbros")
    assert [(line.line_id, line.net_minor, line.discount_minor) for line in order.lines] == [
        ("45790-32", 1710, 190),
        ("46493-32", 540, 60),
    ]


def test_ga4_prices_are_after_the_discount() -> None:
    """GA4: price 9.99 paid and 2.22 off a unit, three units: 29.97 net, 6.66 off; a number in a text is one."""
    items = [{"item_id": "SKU_1", "price": 9.99, "discount": 2.22, "quantity": "3"}]
    sent = {"transaction_id": "T_1", "value": 29.97, "currency": "USD", "tax": 1.5, "items": items}
    order = order_of(track("purchase", sent))
    assert [(line.sku, line.quantity, line.net_minor, line.discount_minor) for line in order.lines] == [
        ("SKU_1", 3, 2997, 666)
    ]


def test_a_partial_refund_names_what_came_back() -> None:
    """Lines have the order's ids; tax and shipping that the refund names are no merchandise."""
    refund = track(
        "Order Refunded",
        {"order_id": "o", "total": 30, "tax": 2, "shipping": 3, "products": [{"sku": "a", "quantity": 1}]},
    )
    assert isinstance(refund, NativeRefund)
    assert (refund.refund_id, str(refund.amount), [line.line_id for line in refund.lines]) == ("m", "25", ["a"])


def test_lines_of_one_product_keep_ids_of_their_own() -> None:
    """The same sku twice in an order gives two line ids."""
    products = [{"sku": "a", "price": 1}, {"sku": "a", "price": 2}, {"sku": "b", "price": 3}]
    order = track("Order Completed", {"order_id": "o", "products": products})
    assert isinstance(order, NativeOrder)
    assert [line.line_id for line in order.lines] == ["a", "a#2", "b"]


def test_an_order_told_anew_counts_by_its_time() -> None:
    """`Order Updated` has a higher revision than `Order Completed`, and a later update a higher one still."""
    told = [("Order Completed", 0), ("Order Updated", 5), ("Order Updated", 9)]
    orders = [track(name, {"order_id": "o"}, timestamp=iso(NOW - 60 * SECOND + at * SECOND)) for name, at in told]
    revisions = [order.revision for order in orders if isinstance(order, NativeOrder)]
    assert revisions[0] == 0
    assert revisions == sorted(set(revisions))


@given(skew=st.integers(-(10**6), 10**6), age=st.integers(0, 10**6))
def test_a_wrong_clock_is_corrected_by_when_it_sent(skew: int, age: int) -> None:
    """However wrong the client's clock, an event made `age` seconds before sending happened `age` seconds ago."""
    theirs = NOW + skew * SECOND
    body: dict[str, Any] = {"messageId": "m", "userId": "u", "event": "Product Viewed", "properties": {"sku": "x"}}
    body["timestamp"] = iso(theirs - age * SECOND)
    found = arrive(body, kind="track", sent_at=theirs)
    assert not isinstance(found.said, Rejection | None)
    assert iso(NOW - age * SECOND) == found.said.occurred_at.isoformat().replace("+00:00", "Z")


def test_a_retry_is_the_same_event() -> None:
    """The digest does not move with `sentAt`, the key or our clock; it does with what was said."""
    body: dict[str, Any] = {"messageId": "m", "userId": "u", "event": "Product Viewed", "properties": {"sku": "x"}}
    digests = {
        arrive({**body, "sentAt": iso(NOW + s), "writeKey": str(s)}, kind="track", sent_at=NOW + s).digest
        for s in range(3)
    }
    assert len(digests) == 1
    assert arrive({**body, "properties": {"sku": "y"}}, kind="track").digest not in digests


def test_a_message_without_an_id_gets_one_from_what_it_says() -> None:
    """The same body is the same event; another one is another."""
    body: dict[str, Any] = {"userId": "u", "event": "Product Viewed", "properties": {"sku": "x"}}
    ids = [arrive({**body, **more}, kind="track").said for more in ({}, {"sentAt": iso(NOW)}, {"userId": "v"})]
    found = [said.id for said in ids if not isinstance(said, Rejection | None)]
    assert (found[0] == found[1], found[0] == found[2]) == (True, False)


def test_identify_links_and_keeps_persons_out_of_attributes() -> None:
    """Names and addresses are no attributes; the country inside an address is one."""
    traits = {"email": "a@b.example", "name": "Kim", "plan": "gold", "address": {"country": "KR", "street": "x"}}
    said = arrive({"type": "identify", "messageId": "m", "userId": "u", "anonymousId": "a", "traits": traits}).said
    assert isinstance(said, NativeProfile)
    assert (said.customer_id, said.anonymous_id, said.attributes) == ("u", "a", {"plan": "gold", "country": "KR"})


def test_alias_links_the_previous_id() -> None:
    """`alias` makes the previous id the same person as the user."""
    said = arrive({"type": "alias", "messageId": "m", "userId": "u", "previousId": "a"}).said
    assert isinstance(said, NativeProfile)
    assert (said.customer_id, said.anonymous_id, said.attributes) == ("u", "a", {})


def test_carts_come_whole_and_in_pieces() -> None:
    """`Cart Viewed` tells the cart, `Product Added` and GA4's `remove_from_cart` what changed."""
    whole = track("Cart Viewed", {"products": [{"sku": "a"}, {"product_id": 7}]})
    added = track("Product Added", {"sku": "b", "quantity": 2})
    removed = track("remove_from_cart", {"items": [{"item_id": "a"}]})
    for said, expected in ((whole, ["a", "7"]), (added, ["b"]), (removed, ["a"])):
        assert isinstance(said, NativeCartUpdated)
        assert [item.sku for item in (*said.cart, *said.added, *said.removed)] == expected


@pytest.mark.parametrize("call", ["page", "screen", "group"])
def test_calls_without_meaning_are_neither_taken_nor_refused(call: str) -> None:
    """Page views are no events of an experiment."""
    assert arrive({"messageId": "m", "userId": "u"}, kind=call).said is None


def test_our_own_names_pass_as_they_are() -> None:
    """`track` with a native type: the properties are its fields."""
    said = track("feedback", {"score": 9, "text": "good"})
    assert (said.__struct_config__.tag, getattr(said, "score", None)) == ("feedback", 9.0)


KINDS = {kind.__struct_config__.tag: kind for kind in get_args(Native)}


@pytest.mark.parametrize("name", sorted({*segment.EVENTS, *ga4.EVENTS}))
def test_every_rule_names_fields_that_the_native_type_has(name: str) -> None:
    """A slip in a table would reject every event of that name: each field stands in the native type."""
    rule: Rule = {**segment.EVENTS, **ga4.EVENTS}[name]
    _check(rule.fields, KINDS[rule.type])


def _check(fields: Any, kind: Any) -> None:
    known = {field.name: field.type for field in msgspec.structs.fields(kind)}
    assert set(fields) <= set(known), kind
    for name, source in fields.items():
        if isinstance(source, Each):
            _check(source.fields, get_args(get_args(known[name])[0])[0])


WORDS = ("type", "event", "userId", "messageId", "properties", "traits", "products", "items", "timestamp", "price")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from((*WORDS, "quantity", "order_id", "sku", "anonymousId")), inner, max_size=5)
    ),
    max_leaves=25,
)


@given(body=JSON, event=st.sampled_from(sorted({**segment.EVENTS, **ga4.EVENTS})))
def test_nothing_that_is_json_breaks_the_reader(body: Any, event: str) -> None:
    """Whatever arrives is an event, a rejection with a code, or of no meaning; never an error of ours."""
    sent = {"type": "track", "event": event, "messageId": "m", "userId": "u", "properties": body}
    for message in (body, sent):
        found = segment.arrival(json.dumps(message).encode(), 0, kind=None, sent_at=None, now=NOW)
        if isinstance(found.said, Rejection):
            assert found.said.code
