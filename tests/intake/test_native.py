"""OfferLab's own events, whatever stands in their fields."""

import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from offerlab.domain.clock import SECOND, iso
from offerlab.domain.customer import Profile
from offerlab.domain.event import Rejection
from offerlab.errors import InvalidInput
from offerlab.intake.canonical import decode, digest_of, event_of, fact_of
from offerlab.intake.folding import fold
from offerlab.intake.purchases import Catalogue

NOW = 1_790_000_000 * SECOND
CATALOGUE = Catalogue(currency="KRW", cost_of={"a": 5}.get, experiment={"e": (1, ("control", "t"))}.get)
LINE: dict[str, Any] = {"sku": "a", "unit_price": "10.5", "quantity": 2, "line_id": "1", "discount": "1", "offer": "o"}
WHOLE: dict[str, dict[str, Any]] = {
    "order": {"order_id": "o", "currency": "EUR", "lines": [LINE, {**LINE, "line_id": "2"}], "discount": "1"},
    "refund": {"refund_id": "r", "order_id": "o", "lines": [{"line_id": "1", "amount": "3"}], "amount": "1"},
    "order_cancelled": {"order_id": "o"},
    "product_viewed": {"sku": "a"},
    "cart_updated": {"cart": [{"sku": "a", "quantity": 1, "price": "1"}]},
    "offer_declined": {"experiment": "e", "variant": "t", "offer": "o", "sku": "a", "reason": "price", "text": "no"},
    "offer_clicked": {"experiment": "e", "variant": "t", "placement": "checkout"},
    "feedback": {"experiment": "e", "score": 9, "text": "good"},
    "review": {"sku": "a", "rating": 4.5},
    "shipment": {"order_id": "o", "stage": "delivered"},
    "profile": {"attributes": {"tags": ["x"], "email": "a@b.example"}, "anonymous_id": "anon"},
    "consent": {"channel": "email", "granted": True, "purpose": "marketing"},
    "unsubscribe": {"channel": "email", "experiment": "e"},
    "complaint": {"text": "too many"},
}
"""An event of each type that a shop sends, with the fields that it may have."""

NAMES = sorted({"id", "customer_id", "occurred_at", "type", *LINE, *(name for one in WHOLE.values() for name in one)})
WRITTEN = ("1.5", "-2", "1e12", "1e13", "1e30", "1e9999999", "1e-9999999", "9" * 40, "NaN", "sNaN", "Infinity", "0e99")
"""Numbers as texts, those included that no amount can be."""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6)
    | st.sampled_from(WRITTEN),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(
    kind=st.sampled_from(sorted(WHOLE)),
    outside=st.dictionaries(st.sampled_from(NAMES), JSON, max_size=2),
    inside=st.dictionaries(st.sampled_from(sorted(LINE)), JSON, max_size=2),
)
def test_no_event_breaks_what_reads_it(kind: str, outside: dict[str, Any], inside: dict[str, Any]) -> None:
    """Whatever stands in a field, the event is taken and folded, or refused with a reason; never an error of ours."""
    body = {"id": "1", "type": kind, "customer_id": "c", "occurred_at": iso(NOW), **WHOLE[kind]}
    if inside and kind == "order":
        body["lines"] = [{**LINE, **inside}]
    elif inside and kind == "profile":
        body["attributes"] = inside
    said = decode(json.dumps({**body, **outside}).encode(), 0)
    if isinstance(said, Rejection):
        assert said.code
        return
    assert len(digest_of(said)) == 16
    with suppress(InvalidInput):
        event = event_of(said, fact_of(said, CATALOGUE), now=NOW)
        folded = fold(Profile(), event, currency="KRW")
        assert fold(folded, event, currency="KRW") == folded
