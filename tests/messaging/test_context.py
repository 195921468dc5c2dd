"""What a message can speak of, computed from prices."""

from decimal import Decimal

import pytest

from messaging.shop import (
    CAPSULES,
    MACHINE,
    MUG,
    SMART_MACHINE,
    TWENTY_PERCENT,
    UPGRADE_OFFER,
    body_of,
    capsule_context,
)
from offerlab.domain.offer import Discount, Offer
from offerlab.errors import InvalidInput
from offerlab.messaging.context import context_for, percent_off, plain_number


def offer(kind: str = "cross_sell", discount: Discount = TWENTY_PERCENT) -> Offer:
    """An offer of capsules and a mug."""
    return Offer(key="o", kind=kind, products=("capsule-set", "mug"), discount=discount)  # type: ignore[arg-type] # the kinds stand in the tests


def test_saving_of_a_bundle_is_computed_from_all_its_prices() -> None:
    """S43: a bundle's saving and percent come from the sum of its prices: 30,000 less 20 % saves 6,000."""
    context = context_for(offer("bundle"), [CAPSULES, MUG], currency="KRW")
    assert (Decimal(30000), Decimal(24000), Decimal(6000), Decimal(20)) == (
        context.offer.price, context.offer.offer_price, context.saving, context.saving_percent,
    )  # fmt: skip


def test_another_offer_speaks_of_its_first_product() -> None:
    """A cross-sell of two products is priced by the first one; the names hold both."""
    context = context_for(offer(), [CAPSULES, MUG], currency="KRW")
    assert (Decimal(18000), ("캡슐 세트", "머그컵")) == (context.offer.price, context.offer.names)


def test_price_difference_of_an_upgrade() -> None:
    """An upsell's base is its trigger unless named, and the difference is what the customer pays more."""
    context = context_for(UPGRADE_OFFER, [SMART_MACHINE], currency="KRW", trigger=MACHINE)
    assert Decimal(60000) == context.price_diff


@pytest.mark.parametrize(
    ("discount", "percent"),
    [
        (Discount(), "0"),
        (TWENTY_PERCENT, "20"),
        (Discount(type="percent", value=Decimal("12.5")), "12.5"),
        (Discount(type="amount", value=Decimal(2999)), "16"),
        (Discount(type="free_shipping"), "0"),
        (Discount(type="gift"), "100"),
    ],
    ids=["none", "percent", "half", "amount", "shipping", "gift"],
)
def test_discount_percent_never_promises_more_than_it_gives(discount: Discount, percent: str) -> None:
    """2,999 off 18,000 is 16.66 %: the text says 16, and a percent discount says its own number."""
    context = context_for(offer(discount=discount), [CAPSULES], currency="KRW")
    assert percent == body_of("{{ offer.discount_percent }}", context)


def test_free_things_save_nothing() -> None:
    """A price of zero has no percentage off."""
    assert Decimal(0) == percent_off(Decimal(0), Decimal(0))


@pytest.mark.parametrize(("value", "text"), [("100", "100"), ("20.0", "20"), ("12.50", "12.5"), ("0", "0")])
def test_numbers_are_written_as_people_do(value: str, text: str) -> None:
    """No trailing zeros, no scientific notation."""
    assert text == str(plain_number(Decimal(value)))


def test_an_offer_of_products_needs_one() -> None:
    """Without a product there is nothing to say, except in an engagement offer."""
    with pytest.raises(InvalidInput):
        context_for(offer(), [], currency="KRW")
    assert context_for(Offer(key="e", kind="engagement"), [], currency="KRW").offer.name == ""


@pytest.mark.parametrize("value", ["x" * 1001, ["a"] * 101, {"a": 1}, None, object(), [["nested"]]])
def test_unsayable_attributes_count_as_missing(value: object) -> None:
    """S52: an attribute too long or of another shape takes the fallback text, like one that is not there."""
    context = capsule_context(customer={"name": value})
    assert body_of("{{ customer.name | default: '고객' }}", context) == "고객"


@pytest.mark.parametrize(("value", "text"), [("민수", "민수"), (3, "3"), (True, "true"), (["a", "b"], "ab")])
def test_sayable_attributes_are_said(value: object, text: str) -> None:
    """Texts, numbers, booleans and flat lists of an attribute come through."""
    assert text == body_of("{{ customer.name }}", capsule_context(customer={"name": value}))
