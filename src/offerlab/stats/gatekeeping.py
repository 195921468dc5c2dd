"""Questions in an order: weights, gates and hand-over, in one familywise procedure.

A graph says how much of alpha each hypothesis starts with and to whom it passes its share once rejected. Weighted
Holm, fixed sequences and "secondary only after primary" are graphs. Rejected: testing secondaries at full alpha once
a primary is significant (with several arms the familywise error grows with their number).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offerlab.errors import InvalidPlan
from offerlab.stats.multiplicity import Adjusted, check_alpha, check_p_values

Floats = NDArray[np.float64]

_ROUNDING = 1e-9


def graphical(p_values: ArrayLike, weights: ArrayLike, transitions: ArrayLike, *, alpha: float = 0.05) -> Adjusted:
    """Sequentially rejective test of a weighted graph of hypotheses (familywise error at most alpha).

    Args:
        p_values: shape (tests,); NaN for a test that could not be made: it is never rejected and its share of alpha
            stays where it is.
        weights: starting share of alpha, not negative, sum at most 1.
        transitions: (tests, tests), row i: how the share of i is passed on when i is rejected; rows sum to at most 1,
            zero diagonal.
        alpha: familywise error rate.

    Returns:
        `interval_alpha` is the level at which each hypothesis was tested last: its interval leaves zero out exactly
        when it is rejected. Behind a closed gate it is the level that would arrive if the gate opened; such an interval
        may leave zero out although nothing is claimed. NaN where no level can arrive or no test was made.

    Raises:
        InvalidPlan: weights or transitions outside these bounds, or shapes that do not fit.

    Source:
        Bretz, Maurer, Brannath & Posch (2009), Stat. Med. 28, 586-604.
    """
    check_alpha(alpha)
    raw = check_p_values(p_values)
    w, g = np.array(weights, dtype=np.float64), np.array(transitions, dtype=np.float64)
    _check_graph(raw, w, g)
    adjusted, level = np.where(np.isnan(raw), np.nan, 1.0), np.full(raw.shape, np.nan)
    waiting, largest = ~np.isnan(raw), 0.0
    while np.any(waiting & (w > 0.0)):
        open_now = waiting & (w > 0.0)
        ratio = np.where(open_now, raw / np.where(w > 0.0, w, 1.0), np.inf)
        j = int(np.argmin(ratio))
        if largest <= alpha < ratio[j]:  # from here on nothing is rejected: these are the levels that count
            level[open_now] = alpha * w[open_now]
        if np.isnan(level[j]):
            level[j] = alpha * w[j]
        largest = max(largest, min(float(ratio[j]), 1.0))
        adjusted[j], waiting[j] = largest, False
        w, g = _pass_on(w, g, j)
    return Adjusted(
        method="graphical",
        alpha=alpha,
        p_values=adjusted,
        rejected=adjusted <= alpha,
        interval_alpha=level,
        conservative=np.zeros(raw.shape, dtype=np.bool_),
        tests=int(np.count_nonzero(~np.isnan(raw))),
    )


def weighted_holm(p_values: ArrayLike, weights: ArrayLike, *, alpha: float = 0.05) -> Adjusted:
    """Holm's procedure with unequal shares of alpha (the metric that matters more gets more).

    Args:
        p_values: shape (tests,), NaN for a test that could not be made (its weight goes to the others).
        weights: above zero; scaled to sum 1.
        alpha: familywise error rate.

    Source:
        Holm (1979), Scand. J. Statist. 6, 65-70, section 4.
    """
    raw, w = check_p_values(p_values), np.asarray(weights, dtype=np.float64)
    if w.shape != raw.shape or not np.all(w > 0.0):
        raise InvalidPlan("weights are positive, one per test", field="weights")
    shares = np.where(np.isnan(raw), 0.0, w)
    shares = shares / shares.sum() if shares.sum() > 0.0 else shares
    return graphical(raw, shares, _among(shares), alpha=alpha)


def gated(primary: ArrayLike, secondary: ArrayLike, *, alpha: float = 0.05) -> Adjusted:
    """Secondary metrics of an arm are tested only once its primary is rejected.

    Each arm's primary starts with an equal share of alpha; once rejected it passes the share to the arm's secondaries
    (Holm among them). What an arm has finished with returns to nobody.

    Args:
        primary: p-values of the primary metric, shape (arms,).
        secondary: shape (arms, metrics).
        alpha: familywise error rate over everything.

    Returns:
        Arrays of shape (arms, 1 + metrics), the primary first.
    """
    first, second = check_p_values(primary), check_p_values(secondary)
    if first.ndim != 1 or second.ndim != 2 or second.shape[0] != first.size:  # noqa: PLR2004 - arms and metrics
        raise InvalidPlan(f"primaries of {first.shape} and secondaries of {second.shape}", field="secondary")
    arms, metrics = second.shape
    table = np.column_stack([first, second])
    w, g = np.zeros(table.size), np.zeros((table.size, table.size))
    for arm in range(arms):
        at = arm * (metrics + 1)
        w[at] = 1 / arms
        open_now = np.where(np.isnan(second[arm]), 0.0, 1.0)
        inside = slice(at + 1, at + 1 + metrics)
        if open_now.sum() > 0.0:
            g[at, inside] = open_now / open_now.sum()
            g[inside, inside] = _among(open_now)
    result = graphical(table.ravel(), w, g, alpha=alpha)
    return Adjusted(
        method="gated",
        alpha=alpha,
        p_values=result.p_values.reshape(table.shape),
        rejected=result.rejected.reshape(table.shape),
        interval_alpha=result.interval_alpha.reshape(table.shape),
        conservative=result.conservative.reshape(table.shape),
        tests=result.tests,
    )


def _among(weights: Floats) -> Floats:
    """Each passes its share to the others in proportion to their weights."""
    others = weights.sum() - weights
    rows = np.where(others > 0.0, 1 / np.where(others > 0.0, others, 1.0), 0.0)[:, np.newaxis] * weights
    np.fill_diagonal(rows, 0.0)
    return np.where((weights > 0.0)[:, np.newaxis], rows, 0.0)


def _pass_on(w: Floats, g: Floats, j: int) -> tuple[Floats, Floats]:
    """The graph without hypothesis j (algorithm 1 of the source)."""
    passed = w + w[j] * g[j]
    loop = g[:, j] * g[j]  # from l to j and back to l
    bridge = g + g[:, j, np.newaxis] * g[j]
    left = np.where(loop < 1.0 - _ROUNDING, 1 - loop, np.inf)
    graph = bridge / left[:, np.newaxis]
    graph[j, :] = graph[:, j] = 0.0
    np.fill_diagonal(graph, 0.0)
    passed[j] = 0.0
    return passed, graph


def _check_graph(raw: Floats, w: Floats, g: Floats) -> None:
    if raw.ndim != 1 or w.shape != raw.shape or g.shape != (raw.size, raw.size):
        raise InvalidPlan(f"{raw.shape} tests, weights of {w.shape}, transitions of {g.shape}", field="transitions")
    if not (np.all(w >= 0.0) and w.sum() <= 1.0 + _ROUNDING):
        raise InvalidPlan("weights are not negative and sum to at most 1", field="weights")
    if not (np.all(g >= 0.0) and np.all(g.sum(axis=1) <= 1.0 + _ROUNDING) and not np.diag(g).any()):
        raise InvalidPlan("each row of transitions is not negative, sums to at most 1, and skips itself")


def fixed_sequence(p_values: Sequence[float], *, alpha: float = 0.05) -> Adjusted:
    """Each hypothesis is tested at full alpha once all before it are rejected."""
    size = len(p_values)
    return graphical(p_values, np.eye(size)[0] if size else [], np.eye(size, k=1), alpha=alpha)
