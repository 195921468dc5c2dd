"""Google Analytics 4 event names as a mapping: a tag manager sends them as they are, through the Segment routes.

GA4's `value` has neither tax nor shipping. An item's `price` is what was paid for one unit and its `discount` what was
taken off one unit, so the price before the discount is their sum.
"""

from typing import Final

from offerlab.intake.mapping import Amount, Count, Each, Rule, Source, Text

_SKU: Final = Text(("item_id", "item_name"))
_CART_ITEM: Final[dict[str, Source]] = {
    "sku": _SKU,
    "quantity": Count(("quantity",)),
    "price": Amount(("price",), plus=("discount",)),
}
_LINE: Final[dict[str, Source]] = {
    "line_id": _SKU,
    "sku": _SKU,
    "quantity": Count(("quantity",)),
    "unit_price": Amount(("price",), plus=("discount",)),
    "discount": Amount(("discount",), times="quantity"),
    "offer": Text(("offer",)),
}
_PROMOTION: Final[dict[str, Source]] = {
    "offer": Text(("promotion_id", "items.0.promotion_id", "promotion_name")),
    "variant": Text(("creative_name", "items.0.creative_name")),
    "placement": Text(("creative_slot", "items.0.creative_slot")),
}
_CART: Final = Rule("cart_updated", {"cart": Each(("items",), _CART_ITEM)})

EVENTS: Final[dict[str, Rule]] = {
    "view_item": Rule("product_viewed", {"sku": Text(("items.0.item_id", "items.0.item_name"))}),
    "add_to_cart": Rule("cart_updated", {"added": Each(("items",), _CART_ITEM)}),
    "remove_from_cart": Rule("cart_updated", {"removed": Each(("items",), _CART_ITEM)}),
    "view_cart": _CART,
    "begin_checkout": _CART,
    "view_promotion": Rule("offer_viewed", _PROMOTION),
    "select_promotion": Rule("offer_clicked", _PROMOTION),
    "purchase": Rule(
        "order",
        {
            "order_id": Text(("transaction_id",)),
            "currency": Text(("currency",)),
            "lines": Each(("items",), _LINE, keyed="line_id"),
            "shipping": Amount(("shipping",)),
            "tax": Amount(("tax",)),
            "code": Text(("coupon",)),
        },
    ),
    "refund": Rule(
        "refund",
        {
            "refund_id": Text(("refund_id",)),
            "order_id": Text(("transaction_id",)),
            "currency": Text(("currency",)),
            "amount": Amount(("value",)),
            "lines": Each(("items",), {"line_id": _SKU, "quantity": Count(("quantity",))}, keyed="line_id"),
        },
    ),
    "experiment_impression": Rule(
        "exposure", {"experiment": Text(("experiment_id",)), "variant": Text(("variant_id", "variation_id"))}
    ),
}

IGNORED: Final = frozenset(
    (
        "add_payment_info",
        "add_shipping_info",
        "add_to_wishlist",
        "first_visit",
        "page_view",
        "screen_view",
        "scroll",
        "search",
        "select_item",
        "session_start",
        "user_engagement",
        "view_item_list",
        "view_search_results",
    )
)
"""Names that mean nothing for an experiment: counted, not stored."""
