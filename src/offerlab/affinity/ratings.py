"""Reviews weigh in: what customers liked is matched before what they sent back.

A mean of few reviews is drawn toward the mean of all (as if `prior` reviews of that mean had been given before), so
that one enthusiast does not win against two hundred satisfied buyers.
"""

from collections.abc import Mapping

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from offerlab.errors import InvalidInput


class Rating(Struct, frozen=True):
    """Reviews of one product: their mean on the shop's scale, and how many."""

    mean: float
    reviews: int


def shrunk(ratings: Mapping[str, Rating], *, prior: float = 10.0) -> dict[str, float]:
    """Each rated product's mean, drawn toward the mean of all reviews.

    Raises:
        InvalidInput: a mean that is not above zero, or a negative number of reviews.
    """
    for sku, rating in ratings.items():
        if not rating.mean > 0 or rating.reviews < 0:
            raise InvalidInput(f"{rating.mean} from {rating.reviews} reviews is no rating", field=f"ratings.{sku}")
    overall = _overall(ratings)
    if overall is None:
        return {}
    return {
        sku: (rating.mean * rating.reviews + overall * prior) / (rating.reviews + prior)
        for sku, rating in ratings.items()
    }


def weights(
    items: tuple[str, ...],
    ratings: Mapping[str, Rating],
    *,
    strength: float = 1.0,
    lowest: float = 0.0,
    prior: float = 10.0,
) -> NDArray[np.float64]:
    """A factor per item for `ranking.rank`: (shrunken mean / mean of all)^strength; 1 for a product without reviews.

    Args:
        items: the skus by item number.
        ratings: reviews by sku.
        strength: 0 ignores reviews.
        lowest: a shrunken mean below this is never matched (factor 0).
        prior: reviews' worth of the overall mean that every product starts with.
    """
    means, overall = shrunk(ratings, prior=prior), _overall(ratings)
    if overall is None:
        return np.ones(len(items))
    factor = {sku: 0.0 if mean < lowest else (mean / overall) ** strength for sku, mean in means.items()}
    return np.array([factor.get(sku, 1.0) for sku in items])


def _overall(ratings: Mapping[str, Rating]) -> float | None:
    """The mean of all reviews; None without any."""
    reviews = sum(rating.reviews for rating in ratings.values())
    return sum(rating.mean * rating.reviews for rating in ratings.values()) / reviews if reviews else None
