"""What an offer brings its customer."""

from decimal import Decimal

import pytest

from offerlab.domain.offer import BenefitType, Discount, LocalizedText, Offer, benefit_of

LESS = Discount(type="percent", value=Decimal(10))
FEATURES = "{{ offer.features | join: ', ' }}"


@pytest.mark.parametrize(
    ("said", "discount", "benefit", "found"),
    [
        (None, Discount(), "", None),
        (None, LESS, "", "money"),
        (None, Discount(type="free_shipping"), "", "money"),
        (None, Discount(), FEATURES, "feature"),
        (None, LESS, FEATURES, "feature"),
        ("service", LESS, FEATURES, "service"),
        ("money", Discount(), "", "money"),
    ],
)
def test_a_benefit_has_a_type(
    said: BenefitType | None, discount: Discount, benefit: str, found: BenefitType | None
) -> None:
    """S94: what the marketer said, else listed features, else a discount; nothing is guessed from plain words."""
    message = {"ko": LocalizedText(title="제안", benefit=benefit)}
    assert benefit_of(Offer(key="x", kind="upsell", message=message, discount=discount, benefit_type=said)) == found
