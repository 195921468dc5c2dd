"""Gradient-boosted regression trees: a prediction of the outcome, learnt on customers of earlier windows.

Used as a covariate it may be as wrong as it likes without harm: it was fixed before the experiment, so that it only
decides how much variance goes. Trees on histograms, squared error, no randomness: the same data give the same forest.
Rejected: scikit-learn (60 MB for one covariate), and training on the experiment's own customers with cross-fitting
(the prediction then depends on who came, and moments can no longer be added up day by day).
"""

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from offerlab.errors import InvalidInput, InvalidPlan

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

_BINS = 64


class Forest(Struct, frozen=True, eq=False):
    """Trees of one depth, each node a question "is this feature's bin at most that?".

    Attributes:
        edges: per feature, the ascending upper ends of its bins but the last; a missing value has bin 0 of its own.
        feature, cut: (trees, 2^depth - 1) of every inner node, level by level.
        leaf: (trees, 2^depth) what a leaf adds.
        base: the mean outcome.
    """

    edges: tuple[Floats, ...]
    feature: Codes
    cut: Codes
    leaf: Floats
    base: float


def learn_forest(
    features: ArrayLike,
    outcome: ArrayLike,
    *,
    trees: int = 150,
    depth: int = 3,
    rate: float = 0.05,
    fewest: int = 30,
) -> Forest:
    """Fit a forest by least squares.

    Args:
        features: (rows, k), NaN where missing.
        outcome: (rows,), finite.
        trees: how many.
        depth: questions on the way to a leaf.
        rate: share of each tree's correction that is kept.
        fewest: rows on either side of a split.

    Raises:
        InvalidInput: shapes that do not fit, no row, or an outcome that is not finite.
        InvalidPlan: a knob out of range.

    Source:
        Friedman (2001), Annals of Statistics 29(5), 1189-1232, algorithm 2 (LS_Boost), with histograms as Ke et al.
        (2017), NeurIPS 30.
    """
    x, y = np.asarray(features, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    if x.ndim != 2 or y.shape != x.shape[:1] or not y.size or not x.shape[1]:  # noqa: PLR2004 - rows and columns
        raise InvalidInput(f"features of shape {x.shape} and outcomes of {y.shape}", field="features")
    if not np.all(np.isfinite(y)):
        raise InvalidInput("an outcome is missing or not finite", field="outcome")
    if trees < 0 or not 1 <= depth <= 8 or not 0.0 < rate <= 1.0 or fewest < 1:  # noqa: PLR2004 - 256 leaves are many
        raise InvalidPlan("trees are 0 or more, depth 1 to 8, rate in (0, 1], fewest 1 or more", field="trees")
    edges = tuple(_edges(column) for column in x.T)
    bins = _binned(x, edges)
    feature, cut = (np.zeros((trees, 2**depth - 1), dtype=np.intp) for _ in range(2))
    leaf = np.zeros((trees, 2**depth))
    base = float(y.mean())
    rest = y - base
    for tree in range(trees):
        feature[tree], cut[tree], node = _grow(bins, rest, depth, fewest)
        count = np.maximum(np.bincount(node, minlength=2**depth), 1)
        leaf[tree] = rate * np.bincount(node, weights=rest, minlength=2**depth) / count
        rest = rest - leaf[tree][node]
    return Forest(edges, feature, cut, leaf, base)


def predict(forest: Forest, features: ArrayLike) -> Floats:
    """(rows,) the forest's prediction.

    Args:
        forest: from `learn_forest`.
        features: (rows, k), the same columns in the same order.

    Raises:
        InvalidInput: another number of columns.
    """
    x = np.asarray(features, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != len(forest.edges):  # noqa: PLR2004 - rows and columns
        raise InvalidInput(f"features of shape {x.shape}; the forest knows {len(forest.edges)}", field="features")
    bins, rows = _binned(x, forest.edges), np.arange(x.shape[0])
    total = np.full(x.shape[0], forest.base)
    for feature, cut, leaf in zip(forest.feature, forest.cut, forest.leaf, strict=True):
        node = np.zeros(x.shape[0], dtype=np.intp)
        first = 0
        while first < feature.size:
            at = first + node
            node = 2 * node + (bins[feature[at], rows] > cut[at])
            first = 2 * first + 1
        total += leaf[node]
    return total


def _edges(column: Floats) -> Floats:
    """Upper ends of at most 64 bins of about equal size."""
    known = column[np.isfinite(column)]
    if not known.size:
        return np.zeros(0)
    return np.unique(np.quantile(known, np.arange(1, _BINS) / _BINS, method="inverted_cdf"))


def _binned(x: Floats, edges: tuple[Floats, ...]) -> Codes:
    """(features, rows): 0 for a missing value, else 1 + how many edges lie below it."""
    parts = [
        np.where(np.isnan(column), 0, 1 + np.searchsorted(ends, column, side="left"))
        for column, ends in zip(x.T, edges, strict=True)
    ]
    return np.array(parts, dtype=np.intp).reshape(len(edges), x.shape[0])


def _grow(bins: Codes, rest: Floats, depth: int, fewest: int) -> tuple[Codes, Codes, Codes]:
    """One tree: features and cuts of its nodes, and the leaf of each row."""
    rows, size = np.arange(rest.size), _BINS + 2
    feature, cut = np.zeros(2**depth - 1, dtype=np.intp), np.full(2**depth - 1, size, dtype=np.intp)
    node = np.zeros(rest.size, dtype=np.intp)
    for level in range(depth):
        nodes, first = 2**level, 2**level - 1
        best = np.zeros(nodes)
        for f, own in enumerate(bins):
            key = node * size + own
            sums = np.bincount(key, weights=rest, minlength=nodes * size).astype(np.float64).reshape(nodes, size)
            counts = np.bincount(key, minlength=nodes * size).reshape(nodes, size)
            gain = _gain(sums.cumsum(axis=1), counts.cumsum(axis=1), fewest)
            at = gain.argmax(axis=1)
            found = gain[np.arange(nodes), at]
            better = found > best * (1 + 1e-12)
            best = np.where(better, found, best)
            here = first + np.flatnonzero(better)
            feature[here], cut[here] = f, at[better]
        at_node = first + node
        node = 2 * node + (bins[feature[at_node], rows] > cut[at_node])
    return feature, cut, node


def _gain(total: Floats, count: Codes, fewest: int) -> Floats:
    """(nodes, bins) squared error that a cut after each bin takes away; zero where a side is too small."""
    all_total, all_count = total[:, -1:], count[:, -1:]
    right = all_count - count
    fits = (count >= fewest) & (right >= fewest)
    left_n, right_n = np.maximum(count, 1), np.maximum(right, 1)
    gain = total**2 / left_n + (all_total - total) ** 2 / right_n - all_total**2 / np.maximum(all_count, 1)
    return np.asarray(np.where(fits, gain, 0.0))
