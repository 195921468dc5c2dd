"""What the lint remarks, and what it leaves alone."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from messaging.shop import CAPSULE_OFFER, UPGRADE_OFFER, capsule_context, upgrade_context
from offerlab.domain.offer import BenefitType, Channel, Discount, LocalizedText, Offer
from offerlab.domain.product import Product
from offerlab.domain.project import Advertiser
from offerlab.messaging.context import context_for
from offerlab.messaging.findings import SENTENCES, Finding
from offerlab.messaging.lint import Facts, lint

SHOP = Advertiser(name="오퍼랩 상점", contact="02-123-4567", opt_out="080-123-4567")


def remarks(facts: Facts) -> list[str]:
    """The codes of all remarks."""
    return [each.code for each in lint(facts)]


def of_body(
    body: str, *, locale: str = "ko", title: str = "", benefit: str = "", discount: Discount | None = None
) -> Facts:
    """A cross-sell of capsules at 20 % off with these words."""
    text = LocalizedText(title=title, body=body, benefit=benefit)
    offer = replace(CAPSULE_OFFER, message={locale: text}, discount=discount or CAPSULE_OFFER.discount)
    products = [Product(sku="c", name="캡슐 70% 세트", price_micro=18_000_000_000)]
    context = context_for(offer, products, currency="KRW", trigger=Product(sku="m", name="머신", price_micro=10**12))
    return Facts(offer=offer, context=context)


def sent(body: str, *, title: str = "", channel: Channel = "sms", advertiser: Advertiser | None = None) -> Facts:
    """The same, sent to a recipient in Korea."""
    facts = of_body(body, title=title)
    return replace(facts, offer=replace(facts.offer, channel=channel), law="KR", advertiser=advertiser)


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        ("{{ offer.name }} 지금 {{ offer.discount_percent }}% 할인!", []),
        ("지금 20% 할인!", []),
        ("지금 20.0 % 할인!", []),
        ("지금 30% 할인!", ["discount_differs"]),
        ("지금 30퍼센트 할인", ["discount_differs"]),
        ("지금 30프로 할인", ["discount_differs"]),
        ("30%!", ["discount_differs"]),
        ("Extra 10% discount!", ["discount_differs"]),
        ("now 25 percent off", ["discount_differs"]),
        ("20% 할인, 면 100% 소재", ["discount_differs"]),
        ("20% 할인. 면 100% 소재입니다.", []),
        ("20% 할인. 카카오 70% 함유 상품입니다.", ["percent_unclear"]),
        ("{{ offer.name }} {{ saving | money }} 절약", []),
        ("3,600원 절약", ["typed_amount"]),
        ("Save $3", ["typed_amount"]),
        ("{{ saving | money: 'USD' }} 절약", ["other_currency"]),
        ("{{ saving | money: 'KRW' }} 절약", []),
    ],
)
def test_the_text_says_the_offers_discount(body: str, codes: list[str]) -> None:
    """S97: a percentage in the text equals the offer's; amounts come from prices. Names count for nothing."""
    assert remarks(of_body(body)) == codes


@pytest.mark.parametrize(
    ("body", "discount", "codes"),
    [
        ("{{ offer.discount_percent }}% 할인", Discount(), ["zero_saving"]),
        ("{{ saving | money }} 절약", Discount(), ["zero_saving"]),
        ("{% if saving > 0 %}{{ saving | money }} 절약{% else %}더 좋은 하루{% endif %}", Discount(), []),
        ("₩0에 드려요", Discount(type="gift"), []),
        ("무료 배송", Discount(type="free_shipping"), []),
    ],
)
def test_a_promise_of_nothing_is_an_error(body: str, discount: Discount, codes: list[str]) -> None:
    """An offer without a discount must not print "0 % off"; a gift may cost nothing."""
    assert [code for code in remarks(of_body(body, discount=discount)) if code != "typed_amount"] == codes


@pytest.mark.parametrize(
    "claim",
    [
        "고객님들은 이 상품도 함께 구매하셨습니다. 20% 할인",
        "같이 많이 산 상품, 20% 할인",
        "Customers also bought this, 20% off",
        "Frequently bought together, 20% off",
    ],
)
def test_also_bought_needs_evidence(claim: str) -> None:
    """S100: the claim is an error without baskets behind it, and none with them."""
    facts = of_body(claim)
    assert (remarks(facts), remarks(replace(facts, also_bought=True))) == (["claim_without_evidence"], [])


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        ("이 상품을 만나 보세요.", ["no_benefit"]),
        ("{{ offer.name }}!", ["no_benefit"]),
        ("가나다라마바사아자차 " * 7 + "20% 할인", ["benefit_late"]),
        ("20% 할인 " + "가나다라마바사아자차 " * 7, []),
        ("Enjoy better coffee", []),
        ("HBM3E DDR5 GPU 대역폭, 20% 할인", ["jargon_only"]),
        ("사진이 더 선명하게 나오는 HDR 화면", []),
    ],
)
def test_a_benefit_is_seen_early_and_in_plain_words(body: str, codes: list[str]) -> None:
    """S97, S115: a benefit within the first 60 characters, and words that people use."""
    assert remarks(of_body(body)) == codes


def test_the_benefit_line_counts_on_pages_only() -> None:
    """A page shows the benefit line; an SMS does not."""
    page = of_body("이 상품을 만나 보세요.", benefit="더 맛있는 커피")
    assert remarks(page) == []
    assert remarks(replace(page, offer=replace(page.offer, channel="sms"))) == ["no_benefit"]


def test_an_upsell_needs_its_benefit() -> None:
    """S11, S94: an upsell without a benefit text is an error."""
    offer = replace(UPGRADE_OFFER, message={"ko": LocalizedText(body="{{ price_diff | money }}만 더하면 됩니다.")})
    assert remarks(Facts(offer=offer, context=upgrade_context(), is_upgrade=True)) == ["upsell_without_benefit"]


@pytest.mark.parametrize(
    ("benefit_type", "discount", "codes"),
    [
        ("money", Discount(), ["benefit_without_saving"]),
        ("money", Discount(type="percent", value=Decimal(10)), []),
        ("money", Discount(type="free_shipping"), []),
        ("service", Discount(), []),
        (None, Discount(), []),
    ],
)
def test_an_upsell_of_money_saves_some(benefit_type: BenefitType | None, discount: Discount, codes: list[str]) -> None:
    """S94: an upsell whose benefit is said to be money but that saves nothing is remarked, once for all languages."""
    text = LocalizedText(benefit="더 맛있는 커피", body="더 맛있는 커피")
    offer = replace(UPGRADE_OFFER, message={"ko": text, "ko-KR": text}, discount=discount, benefit_type=benefit_type)
    products = [Product(sku="smart-machine", name="스마트 머신", price_micro=200_000_000_000)]
    context = context_for(offer, products, currency="KRW")
    assert remarks(Facts(offer=offer, context=context, is_upgrade=True)) == codes


LISTS = "{{ offer.features | join: ', ' }} 업그레이드, 더 좋은 하루"
GUARDED = "{% if offer.features.size > 0 %}{{ offer.features | join: ', ' }}{% endif %} 더 좋은 하루"


@pytest.mark.parametrize(
    ("body", "is_upgrade", "features", "codes"),
    [
        (LISTS, True, ("Wi-Fi",), []),
        (LISTS, False, ("Wi-Fi",), ["no_upgrade"]),
        (LISTS, True, (), ["no_features"]),
        (GUARDED, True, (), []),
        ("{{ price_diff | money }}만 더", False, (), ["no_upgrade"]),
        ("{{ offer.features | must_have | join: ', ' }}", True, (), ["no_features", "does_not_render"]),
    ],
)
def test_an_upgrade_text_needs_relation_and_features(
    body: str,
    is_upgrade: bool,  # noqa: FBT001 - a table of cases
    features: tuple[str, ...],
    codes: list[str],
) -> None:
    """S102: only where an upgrade relation exists and its features are known."""
    offer = replace(UPGRADE_OFFER, message={"ko": LocalizedText(body=body, benefit="더 좋은 하루")})
    assert remarks(Facts(offer=offer, context=upgrade_context(features), is_upgrade=is_upgrade)) == codes


def test_a_price_step_must_go_up() -> None:
    """An upgrade cheaper than its base has no "more" to name."""
    offer = replace(
        UPGRADE_OFFER,
        message={"ko": LocalizedText(body="{{ price_diff | money }} 더", benefit="더 좋은 하루")},
        discount=Discount(type="percent", value=CAPSULE_OFFER.discount.value),
    )
    base, top = (
        Product(sku=sku, name=sku, price_micro=price) for sku, price in (("a", 90_000_000), ("b", 100_000_000))
    )
    context = context_for(offer, [top], currency="KRW", trigger=base)
    assert "no_price_step" in remarks(Facts(offer=offer, context=context, is_upgrade=True))


END = "\n오퍼랩 02-123-4567 무료 수신거부 080-123-4567"


@pytest.mark.parametrize(
    ("facts", "codes"),
    [
        (sent("(광고) 20% 할인" + END, advertiser=SHOP), []),
        (sent("20% 할인", advertiser=SHOP), []),
        (sent("(광고) 20% 할인" + END), ["sender_missing"]),
        (sent("20% 할인"), ["ad_label_missing", "sender_missing", "opt_out_missing"]),
        (sent("(광 고) 20% 할인", advertiser=SHOP), ["ad_label_altered"]),
        (sent("[광고] 20% 할인", advertiser=SHOP), ["ad_label_altered"]),
        (sent("（광고） 20% 할인", advertiser=SHOP), ["ad_label_altered"]),
        (sent("(광\u200b고) 20% 할인", advertiser=SHOP), ["ad_label_altered"]),
        (sent("<광.고> 20% 할인", advertiser=SHOP), ["ad_label_altered"]),
        (sent("(AD) 20% 할인", advertiser=SHOP), ["ad_label_altered"]),
        (sent("광고) 20% 할인", advertiser=SHOP), ["ad_label_altered"]),
        (sent(" (광고) 20% 할인", advertiser=SHOP), ["ad_label_misplaced"]),
        (sent("20% 할인 (광고)", advertiser=SHOP), ["ad_label_misplaced"]),
        (sent("(광고) 20% 할인", title="20% 할인", channel="email", advertiser=SHOP), ["ad_label_misplaced"]),
        (sent("20% 할인", title="(광고) 20% 할인", channel="email", advertiser=SHOP), []),
        (sent("(광고) 20% 할인\nhttps://shop.example/unsubscribe 수신거부", channel="push"), ["sender_missing"]),
    ],
)
def test_korean_law_on_what_is_sent(facts: Facts, codes: list[str]) -> None:
    """P4: label exactly at the start, no variant, sender and free opt-out at the end, or a project that adds them."""
    assert remarks(facts) == codes


@pytest.mark.parametrize("channel", ["web", "agent", None])
def test_pages_and_agents_need_no_label(channel: Channel | None) -> None:
    """What answers the customer's own visit is not sent."""
    facts = sent("20% 할인")
    assert remarks(replace(facts, offer=replace(facts.offer, channel=channel))) == []


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "JavaScript : alert(1)", "data:text/html,x", "ftp://x.y", "mailto:a@b.c"]
)
def test_links_lead_to_the_web_only(link: str) -> None:
    """A30: any other scheme is an error; http and https pass."""
    assert remarks(of_body(f"20% 할인 {link}")) == ["unsafe_link"]
    assert remarks(of_body("20% 할인 https://shop.example http://shop.example 문의: 9시")) == []


def test_a_title_has_one_line() -> None:
    """A31: a line break in the title is an error at save, and the renderer would drop it anyway."""
    assert remarks(of_body("20% 할인", title="20%\nBcc: x")) == ["title_line_break"]


@pytest.mark.parametrize(
    ("facts", "fields"),
    [
        (of_body("20% 할인", title="할인" * 30), ["message.ko.title"]),
        (of_body("20% 할인 " + "가" * 400), []),
        (sent("(광고) 20% 할인 " + "가" * 200 + END, advertiser=SHOP), ["message.ko.body"]),
    ],
)
def test_text_that_a_phone_would_cut(facts: Facts, fields: list[str]) -> None:
    """At 360 px a title has one line and a push or SMS four; a page's body may be long."""
    assert [each.field for each in lint(facts) if each.code == "cut_at_360"] == fields


def test_what_cannot_be_read_or_shown_is_said() -> None:
    """A broken template, a missing value and a detail without fallback are remarks with the field's path."""
    found = [
        *lint(of_body("{{ nope }}")),
        *lint(of_body("20% {{ base.name }}")),
        *lint(replace(of_body("20% {{ customer.name }}"), context=capsule_context(customer={"name": "민수"}))),
    ]
    assert [(each.code, each.field) for each in found] == [
        ("invalid_template", "message.ko.body"),
        ("does_not_render", "message.ko.body"),
        ("no_fallback", "message.ko.body"),
    ]


def test_every_language_is_looked_at() -> None:
    """Remarks name their language."""
    offer = replace(CAPSULE_OFFER, message={tag: LocalizedText(body="30% off") for tag in ("ko", "en-GB")})
    assert [each.field for each in lint(Facts(offer=offer, context=capsule_context()))] == [
        "message.ko.body",
        "message.en-GB.body",
    ]


def test_a_remark_speaks_both_languages() -> None:
    """A finding is one filled-in sentence in English and in Korean."""
    (found,) = lint(of_body("지금 30% 할인!"))
    assert found == Finding(
        "discount_differs",
        "message.ko.body",
        "error",
        "The text says 30%, the offer gives 20%.",
        "문구에는 30%라고 적혀 있지만 제안의 할인은 20%예요.",
    )


@pytest.mark.parametrize("code", SENTENCES)
def test_both_sentences_name_the_same_facts(code: str) -> None:
    """The English and the Korean sentence of a code have the same places to fill."""
    import string  # noqa: PLC0415 - one use

    _, en, ko = SENTENCES[code]
    places = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in (en, ko)]
    assert places[0] == places[1]


@given(st.text(max_size=300), st.text(max_size=80))
def test_the_lint_never_breaks(body: str, title: str) -> None:
    """Whatever a person types, the lint answers."""
    offer = Offer(key="x", kind="cross_sell", message={"ko": LocalizedText(title=title, body=body)}, channel="sms")
    for remark in lint(Facts(offer=offer, context=capsule_context(), law="KR")):
        assert remark.code in SENTENCES
