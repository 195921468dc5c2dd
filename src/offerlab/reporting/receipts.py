"""Logs in which a customer received several offers: what each offer brought, errors clustered by customer.

A receipt is no unit: who completes one offer tends to complete the next. So the customer is the unit: completions and
receipts per offer are its values, a rate is a ratio of their sums, and two offers of one customer carry their
covariance into the comparison. Rejected: receipts as independent rows.
"""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from offerlab.errors import InvalidInput
from offerlab.stats.comparison import compare
from offerlab.stats.effect import Outcome
from offerlab.stats.moments import Moments, from_values
from offerlab.stats.pair import Pair

Array = NDArray[np.float64]


class OfferRate(Struct, frozen=True, kw_only=True):
    """One offer of a log.

    Attributes:
        received, done: receipts, and those completed. customers: who received it.
        rate: done over received. se: of the rate, over customers.
        against: its difference to the reference offer; null for the reference itself.
    """

    offer: str
    received: int
    done: int
    customers: int
    rate: float
    se: float
    against: Outcome | None


def rates_by_offer(
    customers: ArrayLike, offers: Sequence[str], done: ArrayLike, *, reference: str, alpha: float = 0.05
) -> tuple[OfferRate, ...]:
    """Completion of each offer, and its difference to one of them.

    Args:
        customers: of each receipt, any labels.
        offers: of each receipt.
        done: 1 where the receipt was completed, else 0.
        reference: offer that the others are compared with.
        alpha: two-sided error rate of each difference.

    Returns:
        One entry per offer, the highest rate first.

    Raises:
        InvalidInput: lengths that differ, no receipt of the reference, or a completion that is not 0 or 1.

    Source:
        Ratio of sums over clusters: Deng, Knoblich & Lu (2018), KDD; equal to the cluster-robust sandwich of the
        regression on offers (Liang & Zeger 1986, Biometrika 73, 13-22) times n/(n - 1) for n customers.

    Example:
        >>> told = rates_by_offer(["a", "a", "b", "b", "c"], ["x", "y", "x", "y", "x"], [1, 1, 0, 0, 1], reference="x")
        >>> [(each.offer, each.received, round(each.rate, 3)) for each in told]
        [('x', 3, 0.667), ('y', 2, 0.5)]
    """
    who = np.unique(np.asarray(customers), return_inverse=True)[1].ravel()
    names, which = np.unique(np.asarray(offers, dtype=np.str_), return_inverse=True)
    flags = np.asarray(done, dtype=np.float64).ravel()
    if not who.size == which.size == flags.size or not np.isin(flags, (0.0, 1.0)).all():
        raise InvalidInput("customers, offers and completions (0 or 1) come one per receipt", field="done")
    keys = [str(name) for name in names]
    if reference not in keys:
        raise InvalidInput(f"nobody received {reference!r}", field="reference")
    got = np.zeros((who.max() + 1, names.size))
    did = np.zeros_like(got)
    np.add.at(got, (who, which), 1.0)
    np.add.at(did, (who, which), flags)
    base = keys.index(reference)
    told = [_rate(keys[j], did[:, [j, base]], got[:, [j, base]], alpha, alone=j == base) for j in range(names.size)]
    return tuple(sorted(told, key=lambda each: (-each.rate, each.offer)))


def _rate(offer: str, did: Array, got: Array, alpha: float, *, alone: bool) -> OfferRate:
    """An offer (first column) beside the reference (second), both of the same customers."""
    rates = did.sum(axis=0) / got.sum(axis=0)
    lines = from_values(("own", "reference"), (did - rates * got) / got.mean(axis=0))
    n = float(lines.n)
    spread = lines.second / ((n - 1) * n)
    return OfferRate(
        offer=offer,
        received=int(got[:, 0].sum()),
        done=int(did[:, 0].sum()),
        customers=int(np.count_nonzero(got[:, 0])),
        rate=float(rates[0]),
        se=float(np.sqrt(spread[0, 0])),
        against=None if alone else compare(_pair(rates, lines, spread), alpha=alpha).only(),
    )


def _pair(rates: Array, lines: Moments, spread: Array) -> Pair:
    n = float(lines.n)
    cubes = lines.third * (n / ((n - 1) * (n - 2))) / n**2
    zero = np.zeros(1)
    return Pair(
        rates[:1],
        rates[1:],
        spread[:1, 0],
        spread[:1, 1],
        spread[1:, 1],
        cubes[:1, 0, 0],
        cubes[:1, 0, 1],
        cubes[:1, 1, 1],
        cubes[1:, 1, 1],
        zero,
        zero,
        zero,
        zero,
    )
