"""How well each way of matching would have answered the shop's own latest baskets, before one of them goes live.

The orders are cut by time: what came before is learnt, of each basket after it one product is hidden and looked for.
Nothing is stored and nothing served: this tells what to try, the experiment what it is worth.
"""

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from offerlab.domain.clock import DAY
from offerlab.errors import InvalidInput
from offerlab.storage import consents
from offerlab.storage.baskets import purchases
from offerlab.storage.database import reading
from offerlab.workflows.desk import Desk
from offerlab.workflows.matching import DEFAULT_DAYS, WHOLESALE

if TYPE_CHECKING:
    from offerlab.affinity.offline import Score
    from offerlab.affinity.strategies import Strategy

LATEST: Final = 0.25
"""This share of the baskets, the latest, asks the questions."""

_SEED: Final = 7
"""The same orders have the same table."""

_FEWEST_BASKETS: Final = 5


def rehearse(desk: Desk, *, days: int = DEFAULT_DAYS) -> "dict[str, Score]":
    """Every strategy on the same questions, best first; `default` is the one that builds the matching table.

    Args:
        desk: whose orders.
        days: how far back they count.

    Raises:
        InvalidInput: there are too few orders to hide anything in.
    """
    import numpy as np  # noqa: PLC0415 - only who asks needs it

    from offerlab.affinity.baskets import BasketRules, collect  # noqa: PLC0415 - brings scipy
    from offerlab.affinity.counting import count  # noqa: PLC0415 - likewise
    from offerlab.affinity.ease import Ease  # noqa: PLC0415 - likewise
    from offerlab.affinity.offline import compare, hide_one  # noqa: PLC0415 - likewise
    from offerlab.affinity.strategies import BEST, Confidence, Count, ItemKnn, Lift, Popularity  # noqa: PLC0415 - likewise

    now = desk.runtime.now()
    known = desk.runtime.snapshot(desk.project_id).products
    with reading(desk.runtime.engine) as connection:
        objecting = consents.objecting(connection, desk.project_id)
        lines = purchases(connection, desk.project_id, since=now - days * DAY, until=now, without=objecting)
    if not lines:
        raise InvalidInput("there are no orders to learn from", field="days")
    cut = int(np.quantile([line.day for line in lines], 1 - LATEST))
    rules = BasketRules(is_product=known.__contains__, largest=WHOLESALE)
    train = collect(lines, replace(rules, until=cut, fewest_baskets=_FEWEST_BASKETS))
    test = collect(lines, replace(rules, since=cut))
    cases = hide_one(test, train.items, np.random.default_rng(_SEED))
    if not cases.visible.shape[0]:
        raise InvalidInput(
            "too few orders: in the latest quarter no basket holds two products known before", field="days"
        )
    strategies: dict[str, Strategy] = {
        "default": BEST,
        "ease": Ease(),
        "item_knn": ItemKnn(),
        "confidence": Confidence(),
        "count": Count(),
        "lift": Lift(),
        "popularity": Popularity(),
    }
    return compare(count(train), strategies, cases, np.random.default_rng(_SEED))
