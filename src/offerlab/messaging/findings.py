"""What the lint can say, each thing in one sentence of English and of Korean, beside the field it is about."""

from typing import Final, Literal

from msgspec import Struct

Severity = Literal["error", "warning"]


class Finding(Struct, frozen=True):
    """One remark on a message.

    Attributes:
        code: stable, snake_case.
        field: dotted path: message.ko.title.
        severity: an error would mislead the customer, break the law or leave the block empty; a warning weakens the
            offer.
        en, ko: one sentence for a person.
    """

    code: str
    field: str
    severity: Severity
    en: str
    ko: str


SENTENCES: Final[dict[str, tuple[Severity, str, str]]] = {
    "invalid_template": ("error", "This can't be read: {detail}.", "읽을 수 없는 템플릿이에요: {detail}."),
    "does_not_render": ("error", "Nothing would be shown: {detail}.", "아무것도 보이지 않아요: {detail}."),
    "no_fallback": (
        "warning",
        "Customers without this detail see no offer ({detail}); give a fallback with default.",
        "이 정보가 없는 고객에게는 제안이 보이지 않아요({detail}). default로 대신할 말을 적어 주세요.",
    ),
    "discount_differs": (
        "error",
        "The text says {said}%, the offer gives {given}%.",
        "문구에는 {said}%라고 적혀 있지만 제안의 할인은 {given}%예요.",
    ),
    "percent_unclear": (
        "warning",
        "{said}% is not the offer's discount of {given}%; make sure that nobody takes it for one.",
        "{said}%는 제안의 할인 {given}%와 달라요. 할인으로 오해받지 않게 해 주세요.",
    ),
    "zero_saving": (
        "error",
        "The text promises a saving, but this offer saves nothing.",
        "문구는 할인을 약속하지만 이 제안에는 할인이 없어요.",
    ),
    "typed_amount": (
        "warning",
        "{said} is typed by hand and stays when the price changes; use a field such as saving with the money filter.",
        "{said}은(는) 직접 적은 금액이라 가격이 바뀌어도 그대로예요. saving 같은 필드와 money 필터를 쓰세요.",
    ),
    "other_currency": (
        "error",
        "The text prints amounts in {said}, the shop's prices are in {given}.",
        "문구는 금액을 {said} 통화로 적지만 상점의 가격은 {given} 통화예요.",
    ),
    "claim_without_evidence": (
        "error",
        "Nothing shows that customers bought these together; add purchase evidence or change the claim.",
        "함께 구매했다는 근거가 없어요. 구매 데이터로 확인하거나 문구를 바꿔 주세요.",
    ),
    "no_benefit": (
        "error",
        "The text names no benefit: no price, saving, number or feature.",
        "혜택이 보이지 않아요. 가격, 절약 금액, 숫자, 기능 가운데 하나를 적어 주세요.",
    ),
    "benefit_late": (
        "warning",
        "The benefit comes after the first {limit} characters; say it earlier.",
        "혜택이 처음 {limit}자 안에 없어요. 앞으로 옮겨 주세요.",
    ),
    "upsell_without_benefit": (
        "error",
        "An upsell says what the customer gains by paying more.",
        "상향 판매 제안에는 더 내고 얻는 혜택을 적어야 해요.",
    ),
    "benefit_without_saving": (
        "warning",
        "The benefit is said to be money, but the offer saves nothing: check the discount or the type of benefit.",
        "혜택 종류가 비용 절약이지만 이 제안으로 절약되는 금액이 없어요. 할인이나 혜택 종류를 확인해 주세요.",
    ),
    "jargon_only": (
        "warning",
        "Technical words outweigh plain ones; say what the customer can do with it.",
        "전문 용어가 많아요. 고객이 무엇을 할 수 있는지 쉬운 말로 적어 주세요.",
    ),
    "no_upgrade": (
        "error",
        "The text speaks of an upgrade, but no upgrade relation leads to this product.",
        "업그레이드라고 적혀 있지만 이 상품은 업그레이드 상품으로 등록되어 있지 않아요.",
    ),
    "no_features": (
        "error",
        "The text lists what the upgrade has more, but no features are known.",
        "추가 기능을 적는 문구지만 등록된 기능이 없어요.",
    ),
    "no_price_step": (
        "error",
        "The upgrade costs no more than its base, so there is no price difference to name.",
        "업그레이드 상품이 기본 상품보다 비싸지 않아서 적을 가격 차이가 없어요.",
    ),
    "ad_label_missing": (
        "error",
        "Korean law wants (광고) at the very start.",
        "한국 법에 따라 맨 앞에 (광고)를 적어야 해요.",
    ),
    "ad_label_altered": (
        "error",
        "{said} is not the label; it must read (광고), letter by letter.",
        "{said} 표기는 안 돼요. 정확히 (광고)라고 적어야 해요.",
    ),
    "ad_label_misplaced": (
        "error",
        "(광고) must be the very first thing the recipient reads.",
        "(광고)는 받는 사람이 가장 먼저 읽는 곳에 있어야 해요.",
    ),
    "sender_missing": (
        "error",
        "Korean law wants the sender's name and contact at the end; set the shop's advertiser.",
        "한국 법에 따라 끝에 보내는 사람의 이름과 연락처가 있어야 해요. 상점의 광고주 정보를 등록해 주세요.",
    ),
    "opt_out_missing": (
        "error",
        "Korean law wants a free way to unsubscribe at the end: an 080 number or a link.",
        "한국 법에 따라 끝에 무료 수신거부 방법(080 번호나 링크)이 있어야 해요.",
    ),
    "cut_at_360": (
        "warning",
        "About {said} of {limit} lines: on a phone 360 px wide this is cut.",
        "약 {said}줄이라 {limit}줄을 넘어요. 너비 360픽셀 휴대전화에서는 잘려 보여요.",
    ),
    "unsafe_link": (
        "error",
        "{said} is no web link; links begin with http:// or https://.",
        "{said} 주소는 쓸 수 없어요. 링크는 http:// 또는 https://로 시작해야 해요.",
    ),
    "title_line_break": (
        "error",
        "A title is one line.",
        "제목은 한 줄이어야 해요.",
    ),
}
"""Every code with its severity and its two sentences; the names in braces are filled in."""


def finding(code: str, field: str, **facts: object) -> Finding:
    """The remark `code` on `field`, its sentences filled with `facts`."""
    severity, en, ko = SENTENCES[code]
    return Finding(code, field, severity, en.format(**facts), ko.format(**facts))
