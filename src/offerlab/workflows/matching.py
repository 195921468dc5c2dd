"""The product matching table, mined from the shop's own orders."""

from typing import Final

from offerlab.affinity.baskets import BasketRules, collect
from offerlab.affinity.mining import Build, mine, relations
from offerlab.domain.clock import DAY
from offerlab.storage.baskets import purchases
from offerlab.storage.database import reading
from offerlab.workflows.authoring import put_relations
from offerlab.workflows.desk import Desk

DEFAULT_DAYS: Final = 365
WHOLESALE: Final = 100
"""Distinct products above which a basket is a reseller's and says nothing about what goes together."""


def build_matches(desk: Desk, *, days: int = DEFAULT_DAYS, fewest_baskets: int = 5) -> Build:
    """Mine the orders of the last `days` and put the matches beside the curated relations.

    Args:
        desk: who acts where.
        days: how far back orders count.
        fewest_baskets: baskets that a product needs to be counted.
    """
    now = desk.runtime.now()
    catalogue = desk.runtime.snapshot(desk.project_id).products
    with reading(desk.runtime.engine) as connection:
        lines = purchases(connection, desk.project_id, since=now - days * DAY, until=now)
    rules = BasketRules(is_product=catalogue.__contains__, largest=WHOLESALE, fewest_baskets=fewest_baskets)
    build = mine(collect(lines, rules))
    put_relations(desk, relations(build), source="affinity")
    return build
