"""Decisions encoded from pieces say what the structs say that describe them."""

import hmac
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offerlab.api.decisions import BulkAnswers
from offerlab.assignment.decide import decide
from offerlab.domain.customer import NOBODY
from offerlab.domain.decision import Context, Request
from offerlab.storage.customers import digest_of
from offerlab.storage.mac import mac
from offerlab.workflows.encoding import Asking, Encoding
from offerlab.workflows.presenting import ShownOffer, present
from offerlab.workflows.serving import Answer, Answers, exposure_of
from offerlab.workflows.token import Entry, read
from support.service import AT_CHECKOUT, CAPSULES, COFFEE, COFFEE_ADDON, Service

PLAIN: dict[str, Any] = {**CAPSULES, "key": "plain", "message": {"en": {"title": "Hello", "body": "{{ offer.name }}"}}}
OFFERS: list[dict[str, Any]] = [
    CAPSULES,
    PLAIN,
    {**PLAIN, "key": "lasting", "timing": {"trigger": "checkout", "delay_seconds": 60, "expires_after_seconds": 3600}},
    {**PLAIN, "key": "own-code", "discount": {"type": "percent", "value": "20", "code": "unique"}},
    {**PLAIN, "key": "personal", "message": {"en": {"title": "Hello {{ customer.name }}", "body": "."}}},
    {**PLAIN, "key": "anywhere", "channel": None},
]
CONTEXTS = [
    (Context(), 90),
    (Context(placement="checkout", channel="web", locale="ko-KR", trigger_sku="coffee-machine"), 90),
    (Context(placement="checkout", channel="agent", locale="en", cart=("coffee-machine",)), 5),
    (Context(placement="elsewhere"), 0),
    (Context(cart=("coffee-machine", "capsule-set")), 0),
]
"""Moments, and how many offers they must show at least for the comparison to mean something."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A shop with an experiment for every kind of offer."""
    service = Service(f"sqlite:///{tmp_path_factory.mktemp('shop') / 'offerlab.sqlite'}")
    service.made("/v1/products", COFFEE)
    for offer in OFFERS:
        service.made("/v1/offers", offer)
        arms = [{"key": "control"}, {"key": "treatment", "offer": offer["key"]}]
        service.made("/v1/experiments", {**COFFEE_ADDON, "key": f"with-{offer['key']}", "variants": arms})
        service.post(f"/v1/experiments/with-{offer['key']}/start")
    yield service
    service.close()


@pytest.mark.parametrize(("context", "least"), CONTEXTS, ids=range(len(CONTEXTS)))
def test_an_encoded_offer_is_the_presented_one(shop: Service, context: Context, least: int) -> None:
    """For every kind of offer, twice over: the bytes decode to what `present` gives for this very customer."""
    snapshot = shop.app.runtime.snapshot(1)
    encoding = Encoding(snapshot)
    compared = 0
    for i in range(40):
        unit, now = f"c-{i}", shop.now()
        attributes: dict[str, object] = {"name": f"name {i}"}
        request = Request(unit=unit, context=context, attributes=attributes)
        asking = Asking(request, NOBODY, now)
        for decision in decide(snapshot.ruleset, NOBODY, request, now).decisions:
            ((_, told),) = encoding.said([decision], asking)
            shown = present(snapshot, decision, unit=unit, attributes=attributes, context=context, now=now)
            offer = msgspec.json.decode(told.json, type=Answer, strict=True).offer
            if offer is None:
                assert not isinstance(shown, ShownOffer)
                continue
            assert offer == shown
            assert msgspec.json.decode(told.json)["offer"] == msgspec.to_builtins(shown)
            compared += 1
    assert compared >= least


def test_answers_have_their_declared_shape_and_the_token_says_what_would_be_exposed(shop: Service) -> None:
    """One and bulk decode strictly as declared, and the token's entries are the exposures of the answer."""
    snapshot = shop.app.runtime.snapshot(1)
    for i in range(30):
        body = {"customer_id": f"c-{i}", "context": AT_CHECKOUT, "attributes": {"name": "a"}}
        answer = msgspec.json.decode(shop.post("/v1/decisions", body).content, type=Answers, strict=True)
        many = shop.post("/v1/decisions/bulk", {"customers": [{"customer_id": f"c-{i}"}], "context": AT_CHECKOUT})
        bulk = msgspec.json.decode(many.content, type=BulkAnswers, strict=True)
        assert [one.variant for one in bulk.results[0].decisions] == [one.variant for one in answer.decisions]
        content = read(snapshot.project.secret, answer.decision_id)
        assert content is not None
        assert (content.version, content.channel, content.placement) == (snapshot.project.version, "web", "checkout")
        assert content.customer == digest_of(snapshot.project.secret, f"c-{i}")
        context = Context(placement="checkout", channel="web", trigger_sku="coffee-machine", cart=("coffee-machine",))
        decided = decide(snapshot.ruleset, NOBODY, Request(unit=f"c-{i}", context=context), content.decided_at)
        exposures = [exposure_of(snapshot, one, one.suppressed, context) for one in decided.decisions]
        assert [entry_of(one) for one in exposures] == list(content.entries)
        assert [one.bucket for one in exposures] == list(content.buckets)


def entry_of(exposure: Any) -> Entry:
    """A token's entry for an exposure, field by field."""
    return Entry(
        exposure.experiment_id,
        exposure.variant,
        exposure.segment,
        exposure.epoch,
        exposure.propensity,
        exposure.suppressed,
        exposure.offer,
        exposure.template,
    )


def test_a_forged_token_says_nothing(shop: Service) -> None:
    """A token with one character changed, or sealed by another project, is refused."""
    token = shop.decide("c-1")["decision_id"]
    secret = shop.app.runtime.snapshot(1).project.secret
    assert read(secret, token) is not None
    for forged in (("A" if token[0] != "A" else "B") + token[1:], token[:-1], "", "."):
        assert read(secret, forged) is None
    assert read(b"another" * 5, token) is None


@given(st.binary(max_size=200), st.binary(max_size=300))
def test_mac_is_hmac_sha256(key: bytes, message: bytes) -> None:
    """The prepared form gives what the standard library's gives."""
    assert mac(key, message) == hmac.digest(key, message, "sha256")


def test_renderings_are_bounded(shop: Service) -> None:
    """Ten thousand made-up locales do not grow the memory of renderings without end."""
    snapshot = shop.app.runtime.snapshot(1)
    encoding = Encoding(snapshot)
    now = shop.now()
    request = Request(unit="c-1", experiments=("with-plain",))
    decision = next(
        one
        for i in range(50)
        for one in decide(snapshot.ruleset, NOBODY, msgspec.structs.replace(request, unit=f"c-{i}"), now).decisions
        if one.offer is not None
    )
    for i in range(5_000):
        asked = Request(unit="c", context=Context(locale=f"x-{i}"))
        encoding.said([decision], Asking(asked, NOBODY, now))
    assert len(encoding._renderings) <= 4_096
    assert sum(len(sheet) for sheet in encoding._sheets.values()) <= 4_096
