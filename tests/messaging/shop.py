"""The seeds' own products, for the tests of messages."""

from decimal import Decimal

from offerlab.domain.offer import Discount, LocalizedText, Offer
from offerlab.domain.product import Product
from offerlab.messaging.context import Context, context_for
from offerlab.messaging.message import Message, compile_message
from offerlab.messaging.render import Rendered, Unrendered, render

MACHINE = Product(sku="coffee-machine", name="커피 머신", price_micro=129_000_000_000)
SMART_MACHINE = Product(sku="smart-machine", name="스마트 커피 머신", price_micro=189_000_000_000)
CAPSULES = Product(sku="capsule-set", name="캡슐 세트", price_micro=18_000_000_000)
MUG = Product(sku="mug", name="머그컵", price_micro=12_000_000_000)
FEATURES = ("Wi-Fi", "예약 추출")

TWENTY_PERCENT = Discount(type="percent", value=Decimal(20))
CAPSULE_OFFER = Offer(
    key="capsules",
    kind="cross_sell",
    products=("capsule-set",),
    trigger_products=("coffee-machine",),
    discount=TWENTY_PERCENT,
)
UPGRADE_OFFER = Offer(key="smart", kind="upsell", products=("smart-machine",), trigger_products=("coffee-machine",))


def capsule_context(**changes: object) -> Context:
    """Capsules at 20 % off (18,000 -> 14,400 KRW) for who bought the machine; `changes` go to `context_for`."""
    return context_for(CAPSULE_OFFER, [CAPSULES], currency="KRW", trigger=MACHINE, **changes)  # type: ignore[arg-type] # the tests' own keywords


def upgrade_context(features: tuple[str, ...] = FEATURES) -> Context:
    """The smart machine (189,000 KRW) instead of the plain one (129,000 KRW)."""
    return context_for(UPGRADE_OFFER, [SMART_MACHINE], currency="KRW", trigger=MACHINE, features=features)


def one(body: str, *, locale: str = "ko") -> Message:
    """A message of one language with just a body."""
    return compile_message({locale: LocalizedText(body=body)})


def body_of(source: str, context: Context | None = None, locale: str = "ko") -> str:
    """The rendered body of a template, which must render."""
    rendered = render(one(source, locale=locale), context or capsule_context(), locale)
    assert isinstance(rendered, Rendered), rendered
    return rendered.body


def failure_of(source: str, context: Context | None = None) -> Unrendered:
    """Why a template says nothing, which it must."""
    rendered = render(one(source), context or capsule_context(), "ko")
    assert isinstance(rendered, Unrendered), rendered
    return rendered
