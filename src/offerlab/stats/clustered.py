"""Means of rows that come in clusters (households, stores, days) where the cluster was randomised and there are few.

With many clusters the sums per cluster are ordinary customers and the ratio test reads them. With few, the usual
sandwich is too short: CR2 removes its bias under a working model of independent rows, and the degrees of freedom are
Bell and McCaffrey's. All of it follows from products per cluster, X'X and X'e, so a cluster may have any size.
Rejected: the n/(n-1) correction with a normal quantile (20 % errors with six clusters an arm of very unequal size), and
a cluster bootstrap, which has the same trouble.
"""

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from offerlab.errors import InvalidInput
from offerlab.stats.comparison import compare
from offerlab.stats.effect import Outcome, Undetermined
from offerlab.stats.pair import Pair

Array = NDArray[np.float64]

_ALONE = 1e-9
"""A leverage this near to one: the cluster determines a coefficient alone, and its residuals tell nothing of it."""


class ClusterFit(Struct, frozen=True, eq=False):
    """Levels of control and treatment at the mean of the covariates.

    Attributes:
        levels: control, treatment.
        covariance: (2, 2) of the levels, CR2.
        degrees: Bell and McCaffrey's, of their difference.
    """

    levels: Array
    covariance: Array
    degrees: float


def clustered_difference(
    values: ArrayLike, treated: ArrayLike, clusters: ArrayLike, *, alpha: float, covariates: ArrayLike | None = None
) -> Outcome:
    """Difference and lift of two means whose rows come in randomised clusters.

    Args:
        values: one per row.
        treated: one per row, the same in all rows of a cluster.
        clusters: one label per row.
        alpha: two-sided error rate, 0 < alpha < 1.
        covariates: (rows, p), known before exposure.

    Returns:
        The effect with Student's t and Fieller's set for the lift; Undetermined with fewer than two clusters in an arm.

    Raises:
        InvalidPlan: alpha outside (0, 1).
        InvalidInput: lengths that differ, or a cluster in both arms.

    Source:
        Bell & McCaffrey (2002), Survey Methodology 28(2), 169-181; Imbens & Kolesár (2016), Review of Economics and
        Statistics 98(4), 701-712.
    """
    y, t = np.asarray(values, dtype=np.float64).ravel(), np.asarray(treated, dtype=np.bool_).ravel()
    known = np.zeros((y.size, 0)) if covariates is None else np.asarray(covariates, dtype=np.float64)
    labels = np.asarray(clusters).ravel()
    if not y.size == t.size == labels.size == known.shape[0]:
        raise InvalidInput("values, arms, clusters and covariates come one per row", field="clusters")
    owners, codes = np.unique(labels, return_inverse=True)
    share = np.bincount(codes, weights=t) / np.maximum(np.bincount(codes), 1)
    if np.any((share > 0.0) & (share < 1.0)):
        raise InvalidInput("a cluster has rows in both arms", field="clusters")
    each = int(np.count_nonzero(share == 0.0)), int(np.count_nonzero(share == 1.0))
    if min(each) == 0:
        return Undetermined("no_units", "An arm has no customers.")
    if min(each) == 1:
        return Undetermined("one_unit", "An arm has a single cluster, so the spread between clusters is unknown.")
    if known.shape[1] >= owners.size - 2:
        return Undetermined("too_few", "Too few clusters for as many covariates.")
    found = cluster_fit(y, t, codes, known)
    nothing, v = np.zeros(1), found.covariance
    pair = Pair(
        found.levels[1:],
        found.levels[:1],
        v[1:, 1],
        v[1:, 0],
        v[:1, 0],
        *(nothing for _ in range(8)),
    )
    return compare(pair, alpha=alpha, method="welch", freedom=np.array([found.degrees])).only()


def cluster_fit(y: Array, treated: NDArray[np.bool_], codes: NDArray[np.intp], known: Array) -> ClusterFit:
    """Least squares of y on the arm and centred covariates, with CR2 and its degrees of freedom.

    Args:
        y: (rows,).
        treated: (rows,).
        codes: (rows,) clusters numbered from zero.
        known: (rows, p) covariates, p may be zero.
    """
    spread = known.std(axis=0)
    x = np.column_stack([~treated, treated, (known - known.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)])
    x = x.astype(np.float64)  # in units of their own: what counts as collinear must not depend on pounds or pence
    bread: Array = np.asarray(np.linalg.pinv(x.T @ x), dtype=np.float64)
    beta = bread @ (x.T @ y)
    squares, scores = _by_cluster(x, y - x @ beta, codes)
    half = _root(bread)
    values, turns = np.linalg.eigh(half @ squares @ half)
    alone = values > 1.0 - _ALONE
    left = np.where(alone, 1.0, 1.0 - np.clip(values, 0.0, 1.0))
    tiny = values < _ALONE
    # (I - ZZ')^(-1/2) = I + Z U f U'Z' for Z'Z = U diag(values) U'; where values are one, the Moore-Penrose inverse.
    f = np.where(tiny, 0.5, (np.where(alone, 0.0, left**-0.5) - 1.0) / np.where(tiny, 1.0, values))
    full = np.where(alone, -1.0 / np.where(tiny, 1.0, values), 1.0 / left)
    out = squares @ half @ turns
    inner = np.swapaxes(turns, -1, -2) @ half
    corrected = scores + _times(out * f[:, None, :] @ inner, scores)
    covariance = bread @ (corrected.T @ corrected) @ bread
    v = bread @ np.eye(x.shape[1])[1] - bread @ np.eye(x.shape[1])[0]
    projected = _times(squares, np.broadcast_to(v, scores.shape))
    d = projected @ v + np.einsum("gi,gi->g", _times(out * full[:, None, :] @ inner, projected), v[None, :])
    b = projected + _times(out * f[:, None, :] @ inner, projected)
    inside = np.einsum("gi,ij,gj->g", b, bread, b)
    cross = bread @ (b.T @ b)
    first, second = d.sum() - inside.sum(), (d**2).sum() - 2.0 * (d * inside).sum() + np.trace(cross @ cross)
    return ClusterFit(beta[:2], covariance[:2, :2], float(first**2 / second))


def _by_cluster(x: Array, residual: Array, codes: NDArray[np.intp]) -> tuple[Array, Array]:
    """(clusters, k, k) sums of products of the design, (clusters, k) of design and residual."""
    size, k = int(codes.max()) + 1, x.shape[1]
    squares, scores = np.empty((size, k, k)), np.empty((size, k))
    for i in range(k):
        scores[:, i] = np.bincount(codes, weights=x[:, i] * residual, minlength=size)
        for j in range(i, k):
            squares[:, i, j] = squares[:, j, i] = np.bincount(codes, weights=x[:, i] * x[:, j], minlength=size)
    return squares, scores


def _root(matrix: Array) -> Array:
    values, turns = np.linalg.eigh(matrix)
    return np.asarray((turns * np.sqrt(np.maximum(values, 0.0))) @ turns.T)


def _times(matrices: Array, vectors: Array) -> Array:
    return np.asarray(np.einsum("gij,gj->gi", matrices, vectors))
