"""The seeds' templates as they stand in the second seed, and the starters made of them, in both languages."""

import pytest
from msgspec.structs import replace

from messaging.shop import (
    CAPSULE_OFFER,
    UPGRADE_OFFER,
    body_of,
    capsule_context,
    upgrade_context,
)
from offerlab.domain.offer import Discount, Offer
from offerlab.domain.product import Product
from offerlab.messaging.context import Context, context_for
from offerlab.messaging.lint import Facts, lint
from offerlab.messaging.message import compile_message
from offerlab.messaging.render import Rendered, Unrendered, render
from offerlab.messaging.starters import (
    ALSO_BOUGHT,
    FRAMING_DEAL,
    FRAMING_PLAIN,
    ONE_MORE_THING,
    STARTERS,
    UPGRADE_BENEFITS,
    UPGRADE_FEATURES,
    Starter,
)


def shown(starter: Starter, context: Context, locale: str) -> Rendered:
    """The starter's words, which must render."""
    rendered = render(compile_message(starter.texts), context, locale)
    assert isinstance(rendered, Rendered), rendered
    return rendered


def test_template_1_customers_also_bought() -> None:
    """S100: the product's name and its 20 %, with the customer's name or its fallback (S52)."""
    known, unknown = capsule_context(customer={"first_name": "민수"}), capsule_context()
    bought = "커피 머신을 구매하신 고객님들은 캡슐 세트도 함께 구매하셨습니다. 지금 20% 할인 중!"
    assert [f"민수님, {bought}", f"고객님, {bought}"] == [shown(ALSO_BOUGHT, c, "ko-KR").body for c in (known, unknown)]
    english = "who bought 커피 머신 also bought 캡슐 세트. Now 20% off!"
    assert [f"민수, customers {english}", f"Customers {english}"] == [
        shown(ALSO_BOUGHT, c, "en").body for c in (known, unknown)
    ]


def test_template_2_a_question_about_what_was_bought() -> None:
    """S77, S101: the coffee machine's capsules, particles fitting both names, the saving in the shop's currency."""
    rendered = shown(ONE_MORE_THING, capsule_context(), "ko")
    assert rendered.body == "커피 머신을 구매하셨나요? 캡슐 세트로 더 맛있는 커피를 즐겨보세요! (₩3,600 절약)"
    english = shown(ONE_MORE_THING, capsule_context(), "en").body
    assert english == "Bought a 커피 머신? Enjoy better coffee with 캡슐 세트! (Save ₩3,600)"


def test_template_3_upgrade_for_extra_benefits() -> None:
    """S102: names the base the customer chose, the price step and the benefits."""
    korean = (
        "선택하신 커피 머신을 ₩60,000 더해 프리미엄 스마트 커피 머신으로 업그레이드하고 추가 혜택을 받으세요: "
        "Wi-Fi, 예약 추출"
    )
    assert shown(UPGRADE_BENEFITS, upgrade_context(), "ko").body == korean
    assert (
        "Upgrade the 커피 머신 you chose to 스마트 커피 머신 for ₩60,000 more"
        in shown(UPGRADE_BENEFITS, upgrade_context(), "en").body
    )


def test_template_4_features_that_answer_a_need() -> None:
    """S93, S103: the question is made of the upgrade's own feature differences."""
    rendered = shown(UPGRADE_FEATURES, upgrade_context(("더 큰 저장 공간", "세련된 디자인")), "ko")
    assert rendered.body == (
        "더 큰 저장 공간, 세련된 디자인을 원하시나요? 지금 커피 머신 대신 상위 모델 "
        "스마트 커피 머신으로 업그레이드하세요. "
        "₩60,000만 더하면 됩니다."
    )
    assert shown(UPGRADE_FEATURES, upgrade_context(("more storage", "a sleeker design")), "en").title == (
        "Looking for more storage?"
    )


@pytest.mark.parametrize("starter", [UPGRADE_BENEFITS, UPGRADE_FEATURES], ids=lambda starter: starter.key)
@pytest.mark.parametrize("locale", ["ko", "en"])
def test_an_upgrade_is_only_offered_with_base_and_features(starter: Starter, locale: str) -> None:
    """S102: without an upgrade's features, or without a base, nothing is said."""
    message = compile_message(starter.texts)
    no_base = context_for(
        Offer(key="x", kind="cross_sell"), [Product(sku="x", name="x", price_micro=1)], currency="KRW"
    )
    for context in (upgrade_context(()), no_base):
        assert isinstance(render(message, context, locale), Unrendered)


@pytest.mark.parametrize(
    ("trigger", "product", "sentence"),
    [
        ("스마트폰", "케이스", "스마트폰을 구매하셨나요? 케이스로"),
        ("스마트폰", "충전기", "스마트폰을 구매하셨나요? 충전기로"),
        ("iPhone 16 Pro", "AirPods", "iPhone 16 Pro를 구매하셨나요? AirPods으로"),
        ("커피 머신", "머그컵", "커피 머신을 구매하셨나요? 머그컵으로"),
        ("냉장고", "정수 필터", "냉장고를 구매하셨나요? 정수 필터로"),
    ],
)
def test_the_seeds_pairs_read_well(trigger: str, product: str, sentence: str) -> None:
    """S77, S78, S110: phone and case, machine and mug, fridge and filter, each with its own particles."""
    context = context_for(
        CAPSULE_OFFER,
        [Product(sku="b", name=product, price_micro=1_000_000_000)],
        currency="KRW",
        trigger=Product(sku="a", name=trigger, price_micro=9_000_000_000),
    )
    assert shown(ONE_MORE_THING, context, "ko").body.startswith(sentence)


@pytest.mark.parametrize(
    ("base", "premium", "features", "sentence"),
    [
        ("베이직", "프리미엄", ("사용자 추가",), "베이직을 ₩50,000 더해 프리미엄 프리미엄으로"),
        ("이코노미석", "비즈니스석", ("넓은 좌석",), "이코노미석을 ₩50,000 더해 프리미엄 비즈니스석으로"),
    ],
)
def test_upgrades_of_software_and_seats(base: str, premium: str, features: tuple[str, ...], sentence: str) -> None:
    """S79, S80: an upgrade needs no stock and no shipment to be told."""
    context = context_for(
        UPGRADE_OFFER,
        [Product(sku="b", name=premium, price_micro=150_000_000_000, kind="service")],
        currency="KRW",
        trigger=Product(sku="a", name=base, price_micro=100_000_000_000, kind="service"),
        features=features,
    )
    assert sentence in shown(UPGRADE_BENEFITS, context, "ko").body


@pytest.mark.parametrize("locale", ["ko", "en"])
def test_framing_changes_the_words_not_the_deal(locale: str) -> None:
    """S42: both framings name the same price to pay, with and without a discount, and claim no percentage."""
    for discount in (Discount(), CAPSULE_OFFER.discount):
        context = context_for(
            replace(CAPSULE_OFFER, discount=discount),
            [Product(sku="c", name="캡슐", price_micro=18_000_000_000)],
            currency="KRW",
        )
        plain, deal = shown(FRAMING_PLAIN, context, locale), shown(FRAMING_DEAL, context, locale)
        price = "₩18,000" if discount.type == "none" else "₩14,400"
        assert [price in words.body and "%" not in words.body for words in (plain, deal)] == [True, True]
        assert plain.body != deal.body


@pytest.mark.parametrize("starter", STARTERS, ids=lambda starter: starter.key)
def test_starters_are_clean(starter: Starter) -> None:
    """A starter has no remark where what it needs is true."""
    is_upsell = starter.kind == "upsell"
    offer = replace(UPGRADE_OFFER if is_upsell else CAPSULE_OFFER, message=starter.texts)
    context = upgrade_context() if is_upsell else capsule_context(customer={"first_name": "민수"})
    assert lint(Facts(offer=offer, context=context, also_bought=True, is_upgrade=is_upsell)) == ()


def test_the_conventions_own_examples_render() -> None:
    """The Liquid examples of the payload conventions (domain, d) come out as written there."""
    also_bought = (
        "{{ customer.first_name | default: '고객' }}님, {{ trigger.name }}을(를) 구매하신 고객님들은 "
        "{{ offer.name }}도 함께 구매하셨습니다. 지금 {{ offer.discount_percent }}% 할인 중!"
    )
    assert body_of(also_bought) == (
        "고객님, 커피 머신을 구매하신 고객님들은 캡슐 세트도 함께 구매하셨습니다. 지금 20% 할인 중!"
    )
    question = (
        "{{ trigger.name }}을(를) 구매하셨나요? {{ offer.name }}(으)로 더 맛있는 커피를 즐겨보세요! "
        "({{ saving | money: 'KRW' }} 절약)"
    )
    assert body_of(question) == "커피 머신을 구매하셨나요? 캡슐 세트로 더 맛있는 커피를 즐겨보세요! (₩3,600 절약)"


@pytest.mark.parametrize(("features", "end"), [(("Wi-Fi", "timer"), ": Wi-Fi, timer."), ((), ".")])
def test_the_conventions_upgrade_example_renders(features: tuple[str, ...], end: str) -> None:
    """The third example asks whether there are features and does without them."""
    source = (
        "Upgrade {{ base.name }} to {{ offer.name }} for {{ price_diff | money: currency }} more"
        "{% if offer.features.size > 0 %}: {{ offer.features | join: ', ' }}{% endif %}."
    )
    text = body_of(source, upgrade_context(features), locale="en")
    assert text == f"Upgrade 커피 머신 to 스마트 커피 머신 for ₩60,000 more{end}"
