"""Shopify's and WooCommerce's payloads as canonical orders: hand-made examples in the shapes of their documents."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offerlab.domain.clock import SECOND
from offerlab.domain.event import Order, Refund, Rejection
from offerlab.errors import InvalidInput
from offerlab.intake import shopify, woocommerce
from offerlab.intake.canonical import fact_of
from offerlab.intake.native import Native, NativeCancellation, NativeOrder, NativeRefund
from offerlab.intake.purchases import Catalogue
from offerlab.intake.samples import PERSONAL, sample_of

NOW = 1_790_000_000 * SECOND
CATALOGUE = Catalogue(currency="EUR", cost_of={"MUG": 2_000_000}.get, experiment=lambda _key: None)
SHOPIFY: dict[str, Any] = {
    "id": 820982911946154508,
    "test": False,
    "email": "Jon@Doe.example",
    "created_at": "2026-09-20T10:00:00-05:00",
    "processed_at": "2026-09-20T10:00:00-05:00",
    "updated_at": "2026-09-20T10:00:01-05:00",
    "cancelled_at": None,
    "currency": "EUR",
    "taxes_included": False,
    "total_tax": "4.56",
    "customer": {"id": 115310627314723954, "email": "jon@doe.example"},
    "discount_codes": [{"code": "AUTUMN", "amount": "6.00", "type": "fixed_amount"}],
    "line_items": [
        {
            "id": 1,
            "sku": "MUG",
            "quantity": 2,
            "price": "10.00",
            "discount_allocations": [{"amount": "4.00", "discount_application_index": 0}],
            "tax_lines": [{"price": "3.04"}],
            "properties": [{"name": "_offerlab_exposure", "value": "mug-bump"}],
        },
        {
            "id": 2,
            "sku": "",
            "variant_id": 77,
            "quantity": 1,
            "price": "10.00",
            "discount_allocations": [{"amount": "2.00", "discount_application_index": 0}],
            "tax_lines": [{"price": "1.52"}],
            "properties": [],
        },
        {"id": 3, "sku": "CARD", "gift_card": True, "quantity": 1, "price": "50.00"},
    ],
    "shipping_lines": [{"price": "4.90"}],
    "refunds": [],
}
REFUND: dict[str, Any] = {
    "id": 929361462,
    "order_id": SHOPIFY["id"],
    "created_at": "2026-09-25T10:00:00-05:00",
    "refund_line_items": [{"line_item_id": 1, "quantity": 1, "subtotal": "8.00", "total_tax": "1.52"}],
    "order_adjustments": [{"kind": "shipping_refund", "amount": "-4.90"}],
    "transactions": [{"kind": "refund", "amount": "14.42", "currency": "EUR"}],
}
WOO: dict[str, Any] = {
    "id": 727,
    "status": "processing",
    "currency": "EUR",
    "date_created_gmt": "2026-09-20T22:28:02",
    "date_modified_gmt": "2026-09-20T22:28:08",
    "shipping_total": "10.00",
    "total": "35.70",
    "total_tax": "2.70",
    "prices_include_tax": True,
    "customer_id": 0,
    "billing": {"email": "John@Doe.example"},
    "coupon_lines": [{"code": "AUTUMN"}],
    "line_items": [
        {
            "id": 315,
            "product_id": 93,
            "variation_id": 0,
            "sku": "",
            "quantity": 2,
            "subtotal": "20.00",
            "total": "15.00",
        },
        {"id": 316, "product_id": 22, "variation_id": 23, "quantity": 1, "subtotal": "8.00", "total": "8.00"},
    ],
    "refunds": [],
}


def told(body: dict[str, Any], topic: str = "orders/create") -> list[Native]:
    """The native events of a webhook of Shopify."""
    return events(shopify.arrivals(json.dumps(body).encode(), topic))


def told_by_woo(body: dict[str, Any], topic: str = "order.created") -> list[Native]:
    """The native events of a webhook of WooCommerce."""
    return events(woocommerce.arrivals(json.dumps(body).encode(), topic, NOW))


def events(found: list[Any]) -> list[Native]:
    """What was said; a rejection fails the test."""
    assert not any(isinstance(one.said, Rejection) for one in found), found
    return [one.said for one in found if one.said is not None]


def order_of(said: Native) -> Order:
    """The canonical order."""
    fact = fact_of(said, CATALOGUE)
    assert isinstance(fact, Order)
    return fact


def test_a_shopify_order_has_its_discounts_on_lines_and_tax_and_shipping_apart() -> None:
    """24.00 of merchandise: 20 - 4 and 10 - 2; a gift card is no merchandise; cost known for one line of two."""
    (said,) = told(SHOPIFY)
    order = order_of(said)
    assert said.customer_id == "115310627314723954"
    assert (order.net_minor, order.tax_minor, order.shipping_minor, order.code) == (2400, 456, 490, "AUTUMN")
    assert [(line.line_id, line.sku, line.net_minor, line.cost_minor, line.offer) for line in order.lines] == [
        ("1", "MUG", 1600, 400, "mug-bump"),
        ("2", "77", 800, None, None),
    ]


def test_tax_inside_the_price_is_taken_out_of_it() -> None:
    """11.90 with 1.90 tax inside, half off: net 5.00 of merchandise, 5.00 of discount, both without tax."""
    line = {"id": 1, "sku": "MUG", "quantity": 1, "price": "11.90", "tax_lines": [{"price": "0.95"}]}
    line["discount_allocations"] = [{"amount": "5.95"}]
    (said,) = told({**SHOPIFY, "taxes_included": True, "line_items": [line]})
    (found,) = order_of(said).lines
    assert (found.net_minor, found.discount_minor, found.price_micro) == (500, 500, 10_000_000)


def test_an_edit_is_the_same_order_at_a_higher_revision_and_the_same_time() -> None:
    """A line added after the purchase is in the later telling, which counts; the time stays the purchase's."""
    extra = {"id": 9, "sku": "CUP", "quantity": 1, "price": "5.00"}
    later = {**SHOPIFY, "updated_at": "2026-09-21T10:00:00-05:00", "line_items": [*SHOPIFY["line_items"], extra]}
    (first,), (second,) = told(SHOPIFY), told(later, "orders/updated")
    assert isinstance(first, NativeOrder)
    assert isinstance(second, NativeOrder)
    assert second.revision > first.revision
    assert (second.occurred_at, second.order_id) == (first.occurred_at, first.order_id)
    assert order_of(second).net_minor - order_of(first).net_minor == 500


@pytest.mark.parametrize("topic", ["orders/paid", "orders/updated", "orders/create"])
def test_the_same_state_told_by_another_topic_is_the_same_event(topic: str) -> None:
    """`orders/create` and `orders/paid` of one state have one id and one digest."""
    more = {**SHOPIFY, "financial_status": topic}
    first, second = (
        shopify.arrivals(json.dumps(body).encode(), t) for body, t in ((SHOPIFY, "orders/create"), (more, topic))
    )
    one, other = first[0], second[0]
    assert not isinstance(one.said, Rejection | None)
    assert not isinstance(other.said, Rejection | None)
    assert (one.said.id, one.digest) == (other.said.id, other.digest)


def test_test_orders_mean_nothing() -> None:
    """Shopify's `test: true` is neither an order nor a rejection."""
    assert told({**SHOPIFY, "test": True}) == []


def test_a_refund_names_lines_and_leaves_shipping_out() -> None:
    """One of two mugs came back; the refunded shipping lowers no merchandise revenue."""
    (said,) = told(REFUND, "refunds/create")
    assert isinstance(said, NativeRefund)
    assert [(line.line_id, line.quantity, line.amount) for line in said.lines] == [("1", 1, None)]
    assert (said.amount, said.refund_id, said.order_id) == (None, "929361462", str(SHOPIFY["id"]))


def test_a_refund_inside_its_order_is_the_same_refund() -> None:
    """`refunds/create` and the refund that the updated order carries are one event, told with or without a customer."""
    inside = {**REFUND}
    del inside["order_id"]
    alone = shopify.arrivals(json.dumps(REFUND).encode(), "refunds/create")[0]
    order = shopify.arrivals(json.dumps({**SHOPIFY, "refunds": [inside]}).encode(), "orders/updated")
    assert len(order) == 2
    assert not isinstance(alone.said, Rejection | None)
    assert not isinstance(order[1].said, Rejection | None)
    assert (alone.said.id, alone.digest) == (order[1].said.id, order[1].digest)
    assert order[1].said.customer_id == "115310627314723954"


def test_money_given_back_beyond_lines_is_an_amount() -> None:
    """Five given back without any line, and lines of eight of which two were kept."""
    goodwill = {
        **REFUND,
        "refund_line_items": [],
        "order_adjustments": [{"kind": "refund_discrepancy", "amount": "-5"}],
    }
    kept = {**REFUND, "order_adjustments": [{"kind": "refund_discrepancy", "amount": "2.00"}]}
    shipping = {**REFUND, "refund_line_items": []}
    (five,), (six,) = told(goodwill, "refunds/create"), told(kept, "refunds/create")
    assert isinstance(five, NativeRefund)
    assert isinstance(six, NativeRefund)
    assert [str(line.amount) for line in five.lines] == ["5"]
    assert str(six.amount) == "6.00"
    assert told(shipping, "refunds/create") == []


def test_a_cancelled_order_is_told_and_undone() -> None:
    """`cancelled_at` gives the order and its cancellation, once whatever tells it."""
    said = told({**SHOPIFY, "cancelled_at": "2026-09-21T10:00:00-05:00"}, "orders/cancelled")
    assert [type(one) for one in said] == [NativeOrder, NativeCancellation]


def test_the_storefronts_own_customer_id_comes_first() -> None:
    """A note attribute, then Shopify's customer, then the address, then the order itself."""
    note = {"note_attributes": [{"name": "_offerlab_customer", "value": "c-42"}]}
    guest = {**SHOPIFY, "customer": None}
    found = [told(body)[0].customer_id for body in ({**SHOPIFY, **note}, guest, {**guest, "email": ""})]
    assert found == ["c-42", "jon@doe.example", f"offerlab:refund-of-order:{SHOPIFY['id']}"]


def test_a_woocommerce_order_counts_before_tax() -> None:
    """`subtotal` before and `total` after discounts, both without tax, whatever `prices_include_tax` says."""
    (said,) = told_by_woo(WOO)
    order = order_of(said)
    assert (order.net_minor, order.shipping_minor, order.tax_minor, order.code) == (2300, 1000, 270, "AUTUMN")
    assert [(line.sku, line.net_minor, line.discount_minor) for line in order.lines] == [
        ("93", 1500, 500),
        ("23", 800, 0),
    ]
    assert said.customer_id == "john@doe.example"
    assert said.occurred_at.isoformat() == "2026-09-20T22:28:02+00:00"


@pytest.mark.parametrize("status", ["pending", "failed", "checkout-draft", "trash"])
def test_what_was_never_bought_is_no_order(status: str) -> None:
    """WooCommerce tells drafts and failed payments too."""
    assert told_by_woo({**WOO, "status": status}) == []


def test_woocommerce_refunds_are_merchandise_only() -> None:
    """A full refund gives back the lines' 23.00 of 35.70; half of the money gives back half of the merchandise."""
    for total, expected in (("-35.70", "23.00"), ("-17.85", "11.500000")):
        said = told_by_woo({**WOO, "refunds": [{"id": 5, "total": total}]}, "order.updated")
        assert isinstance(said[1], NativeRefund)
        assert str(said[1].amount) == expected


def test_a_woocommerce_refund_names_the_orders_lines() -> None:
    """Quantities and totals below zero, the order's line in the meta data."""
    meta = [{"key": "_refunded_item_id", "value": "315"}]
    lines = [{"id": 900, "quantity": -1, "total": "-7.50", "meta_data": meta}]
    body = {"id": 5, "parent_id": 727, "date_created_gmt": "2026-09-22T00:00:00", "amount": "8.93", "line_items": lines}
    (said,) = told_by_woo(body, "refund.created")
    assert isinstance(said, NativeRefund)
    assert [(line.line_id, line.quantity, str(line.amount)) for line in said.lines] == [("315", 1, "7.50")]
    fact = fact_of(said, CATALOGUE)
    assert isinstance(fact, Refund)
    assert fact.order_id == "727"


def test_samples_show_no_person() -> None:
    """Whatever personal stands in a payload, at any depth, is masked; what explains the mistake stays."""
    sample = sample_of(
        json.dumps({**SHOPIFY, "billing_address": {"zip": "K2P0V6"}, "lines": [{"email": "x@y"}]}).encode()
    )
    assert sample is not None
    for secret in ("Jon", "jon", "K2P0V6", "x@y", "115310627314723954"):
        assert secret not in sample
    assert "MUG" in sample
    assert {"email", "customer", "traits"} <= PERSONAL


INSIDE = (SHOPIFY["line_items"][0], REFUND["refund_line_items"][0], WOO["line_items"][0])
FIELDS = sorted(
    {*SHOPIFY, *REFUND, *WOO, *(name for line in INSIDE for name in line), "name", "value", "meta_data", "key"}
)
WRITTEN = ("1.5", "-2", "1e15", "1e-12", "9" * 40, "1e30", "1e9999999", "1e-9999999", "NaN", "sNaN", "Infinity", "0e99")
"""Numbers as texts, those included that no amount can be."""
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=6)
    | st.sampled_from(WRITTEN),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=20,
)


@given(
    mutation=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4),
    topic=st.sampled_from(
        [*sorted(shopify.ORDERS), "refunds/create", "order.updated", "refund.created", "order.deleted"]
    ),
)
def test_no_payload_breaks_the_reader(mutation: dict[str, Any], topic: str) -> None:
    """Whatever stands in a field, the answer is events, rejections or nothing; never an error of ours."""
    for base in (SHOPIFY, REFUND, WOO, {}):
        raw = json.dumps({**base, **mutation}).encode()
        for found in (*shopify.arrivals(raw, topic), *woocommerce.arrivals(raw, topic, NOW)):
            if isinstance(found.said, Rejection):
                assert found.said.code
            elif found.said is not None:
                with suppress(InvalidInput):
                    fact_of(found.said, CATALOGUE)


@given(inside=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4))
def test_no_line_breaks_the_reader(inside: dict[str, Any]) -> None:
    """The same where the strange thing stands inside a line, with tax in the prices."""
    orders = {"taxes_included": True, "line_items": [{**INSIDE[0], **inside}, {**INSIDE[2], **inside}]}
    refunds = {"refund_line_items": [{**INSIDE[1], **inside}], "order_adjustments": [inside], "refunds": [inside]}
    for base, topic in ((SHOPIFY, "orders/paid"), (REFUND, "refunds/create"), (WOO, "order.updated")):
        raw = json.dumps({**base, **orders, **refunds}).encode()
        for found in (*shopify.arrivals(raw, topic), *woocommerce.arrivals(raw, topic, NOW)):
            if isinstance(found.said, Rejection):
                assert found.said.code
            elif found.said is not None:
                with suppress(InvalidInput):
                    assert fact_of(found.said, CATALOGUE) is not None


@pytest.mark.parametrize("strange", [[], {}, ["cancelled"], {"a": 1}, 7, True], ids=str)
def test_a_status_that_is_no_text_is_no_purchase(strange: object) -> None:
    """A list or an object where WooCommerce writes its status is neither an order nor an error of ours."""
    assert told_by_woo({**WOO, "status": strange}) == []


def test_a_price_beyond_all_numbers_is_refused() -> None:
    """An amount whose power alone overflows is listed with its field, and so is one that a division makes."""
    line = {**SHOPIFY["line_items"][0], "price": "1e9999999"}
    (first,) = shopify.arrivals(json.dumps({**SHOPIFY, "line_items": [line]}).encode(), "orders/create")
    tiny = {**WOO["line_items"][0], "subtotal": "1e15", "quantity": 1e-11}
    (second,) = woocommerce.arrivals(json.dumps({**WOO, "line_items": [tiny]}).encode(), "order.created", NOW)
    assert isinstance(first.said, Rejection)
    assert isinstance(second.said, Rejection)
    assert (first.said.code, first.said.detail) == ("invalid", "price is too large")
    assert (second.said.code, second.said.detail) == ("invalid", "subtotal makes an amount that is too large")
