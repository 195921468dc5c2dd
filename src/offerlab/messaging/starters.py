"""Messages to begin with: the seeds' four templates and a pair that differs in framing alone, in Korean and English.

A starter is copied into an offer and edited there; what it promises must hold for that offer (`needs`, checked by
the lint).
"""

from typing import Final, Literal

from msgspec import Struct

from offerlab.domain.offer import LocalizedText, OfferKind

Need = Literal["also_bought", "upgrade", "features", "saving"]
"""Evidence from baskets; an upgrade relation; features that the upgrade has more; a price below the catalogue's."""


class Starter(Struct, frozen=True, kw_only=True):
    """One message to begin with.

    Attributes:
        key: its name.
        kind: the kind of offer it speaks for.
        needs: what must be true for its words to be.
        texts: by language.
    """

    key: str
    kind: OfferKind
    needs: tuple[Need, ...]
    texts: dict[str, LocalizedText]


ALSO_BOUGHT: Final = Starter(
    key="also_bought",
    kind="cross_sell",
    needs=("also_bought", "saving"),
    texts={
        "ko": LocalizedText(
            title="{{ offer.name }} {{ offer.discount_percent }}% 할인",
            body="{{ customer.first_name | default: '고객' }}님, {{ trigger.name }}을(를) 구매하신 고객님들은 "
            "{{ offer.name }}도 함께 구매하셨습니다. 지금 {{ offer.discount_percent }}% 할인 중!",
            benefit="{{ saving | money }} 절약",
        ),
        "en": LocalizedText(
            title="{{ offer.discount_percent }}% off {{ offer.name }}",
            body="{% if customer.first_name %}{{ customer.first_name }}, customers{% else %}Customers{% endif %} "
            "who bought {{ trigger.name }} also bought {{ offer.name }}. Now {{ offer.discount_percent }}% off!",
            benefit="Save {{ saving | money }}",
        ),
    },
)
"""The seeds' template 1 (S100)."""

ONE_MORE_THING: Final = Starter(
    key="one_more_thing",
    kind="cross_sell",
    needs=(),
    texts={
        "ko": LocalizedText(
            title="{{ trigger.name }}과(와) 어울리는 {{ offer.name }}",
            body="{{ trigger.name }}을(를) 구매하셨나요? {{ offer.name }}(으)로 더 맛있는 커피를 즐겨보세요!"
            "{% if saving > 0 %} ({{ saving | money }} 절약){% endif %}",
            benefit="더 맛있는 커피{% if saving > 0 %}, {{ saving | money }} 절약{% endif %}",
        ),
        "en": LocalizedText(
            title="{{ offer.name }} for your {{ trigger.name }}",
            body="Bought a {{ trigger.name }}? Enjoy better coffee with {{ offer.name }}!"
            "{% if saving > 0 %} (Save {{ saving | money }}){% endif %}",
            benefit="Better coffee{% if saving > 0 %}, save {{ saving | money }}{% endif %}",
        ),
    },
)
"""The seeds' template 2 (S101); the words about coffee are theirs, yours go there."""

UPGRADE_BENEFITS: Final = Starter(
    key="upgrade_benefits",
    kind="upsell",
    needs=("upgrade", "features"),
    texts={
        "ko": LocalizedText(
            title="{{ base.name }} 업그레이드 혜택",
            body="선택하신 {{ base.name }}을(를) {{ price_diff | money }} 더해 프리미엄 {{ offer.name }}(으)로 "
            "업그레이드하고 추가 혜택을 받으세요: {{ offer.features | must_have | join: ', ' }}",
            benefit="{{ offer.features | must_have | join: ', ' }}",
        ),
        "en": LocalizedText(
            title="More from your {{ base.name }}",
            body="Upgrade the {{ base.name }} you chose to {{ offer.name }} for {{ price_diff | money }} more and get "
            "extra benefits: {{ offer.features | must_have | join: ', ' }}.",
            benefit="{{ offer.features | must_have | join: ', ' }}",
        ),
    },
)
"""The seeds' template 3 (S102)."""

UPGRADE_FEATURES: Final = Starter(
    key="upgrade_features",
    kind="upsell",
    needs=("upgrade", "features"),
    texts={
        "ko": LocalizedText(
            title="{{ offer.features | must_have | first }}, 원하시나요?",
            body="{{ offer.features | must_have | join: ', ' }}을(를) 원하시나요? 지금 {{ base.name }} 대신 상위 모델 "
            "{{ offer.name }}(으)로 업그레이드하세요. {{ price_diff | money }}만 더하면 됩니다.",
            benefit="{{ offer.features | must_have | join: ', ' }}",
        ),
        "en": LocalizedText(
            title="Looking for {{ offer.features | must_have | first }}?",
            body="Want {{ offer.features | must_have | join: ', ' }}? Upgrade now from {{ base.name }} to the "
            "higher model {{ offer.name }} for {{ price_diff | money }} more.",
            benefit="{{ offer.features | must_have | join: ', ' }}",
        ),
    },
)
"""The seeds' template 4 (S103), to be tested against template 3."""

FRAMING_PLAIN: Final = Starter(
    key="framing_plain",
    kind="cross_sell",
    needs=(),
    texts={
        "ko": LocalizedText(
            title="{{ offer.name }} {{ offer.offer_price | money }}",
            body="{{ offer.name }}의 가격은 {{ offer.offer_price | money }}입니다.",
            benefit="{{ offer.offer_price | money }}",
        ),
        "en": LocalizedText(
            title="{{ offer.name }} {{ offer.offer_price | money }}",
            body="The price of {{ offer.name }} is {{ offer.offer_price | money }}.",
            benefit="{{ offer.offer_price | money }}",
        ),
    },
)
"""The plain half of the framing pair (S42): with or without a discount it names the price to pay, and nothing else."""

FRAMING_DEAL: Final = Starter(
    key="framing_deal",
    kind="cross_sell",
    needs=(),
    texts={
        "ko": LocalizedText(
            title="함께 담으면 좋은 {{ offer.name }}, {{ offer.offer_price | money }}",
            body="{{ offer.name }}을(를) {{ offer.offer_price | money }}에 만나 보세요. "
            "지금 함께 담으면 알뜰한 선택입니다!",
            benefit="알뜰한 선택 {{ offer.offer_price | money }}",
        ),
        "en": LocalizedText(
            title="A good buy: {{ offer.name }}, {{ offer.offer_price | money }}",
            body="Get {{ offer.name }} for just {{ offer.offer_price | money }}. Add it now, it's good value!",
            benefit="Good value at {{ offer.offer_price | money }}",
        ),
    },
)
"""The deal half (S42): the same fact told as a good buy.

It claims no discount, so that all four cells of framing x discount are true.
"""

STARTERS: Final = (ALSO_BOUGHT, ONE_MORE_THING, UPGRADE_BENEFITS, UPGRADE_FEATURES, FRAMING_PLAIN, FRAMING_DEAL)
"""All of them, in the order in which a page offers them."""
