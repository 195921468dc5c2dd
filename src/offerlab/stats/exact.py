"""Exact tests of two proportions, for counts too small for the normal curve.

Boschloo's test: order the tables by Fisher's one-sided p, then take the largest probability that any common rate gives
to tables at least as extreme. Uniformly more powerful than Fisher's. Conditioning on the total m makes it cheap: the
probability is sum_m h(m) Binomial(m; N, rate), where h(m) is the largest one-sided Fisher p, not above the observed
one, that a table of total m can have. scipy's version needs two minutes for a thousand customers an arm.
"""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.special import betaincinv, gammaln, xlog1py, xlogy

Array = NDArray[np.float64]

UNRESTRICTED = 1_000  # customers up to which every rate is searched, as Boschloo did
MISS = 1e-6  # chance (Berger and Boos) that the true rate lies outside those searched beyond that size
_GRID = 200
_TIE = 1 + 1e-9


def boschloo(x_t: int, n_t: int, x_c: int, n_c: int) -> float:
    """Two-sided p-value of equal proportions: twice the smaller one-sided one, at most 1.

    Args:
        x_t: converted in treatment, 0 <= x_t <= n_t.
        n_t: customers in treatment, at least 1.
        x_c: converted in control, 0 <= x_c <= n_c.
        n_c: customers in control, at least 1.

    Source:
        Boschloo (1970), Statistica Neerlandica 24(1), 1-9; above 1,000 customers the nuisance rate is searched inside
        an exact interval and its error added: Berger & Boos (1994), JASA 89(427), 1012-1016.
    """
    seen = _searched(x_t, n_t, x_c, n_c)
    masses = _masses(seen.totals, seen)
    row = _masses(np.array([float(seen.total)]), seen)
    one_sided = [
        _largest_probability(_allowed(tails(masses), float(tails(row)[0, seen.x])), seen)
        for tails in (_upper_tails, _lower_tails)
    ]
    return min(1.0, 2 * (min(one_sided) + seen.missed))


def barnard(x_t: int, n_t: int, x_c: int, n_c: int) -> float:
    """Two-sided p-value of equal proportions: tables ordered by the pooled score statistic, any common rate.

    Args:
        x_t: converted in treatment, 0 <= x_t <= n_t.
        n_t: customers in treatment, at least 1.
        x_c: converted in control, 0 <= x_c <= n_c.
        n_c: customers in control, at least 1.

    Source:
        Barnard (1947), Biometrika 34(1-2), 123-138, with the score statistic of Suissa & Shuster (1985), JRSS-A 148(4),
        317-327; above 1,000 customers as `boschloo`.
    """
    seen = _searched(x_t, n_t, x_c, n_c)
    counts = np.arange(seen.most + 1, dtype=np.float64)
    statistic = _squared_score(counts[None, :], seen.totals[:, None], seen)
    observed = float(_squared_score(np.array(float(seen.x)), np.array(float(seen.total)), seen))
    extreme = np.where(statistic * _TIE >= observed, _masses(seen.totals, seen), 0.0).sum(axis=1)
    return min(1.0, _largest_probability(np.minimum(extreme, 1.0), seen) + seen.missed)


class _Searched(Struct, frozen=True, eq=False):
    """One table, turned so that its smaller arm comes first and few convert, and what its p-value looks through.

    Attributes:
        n, x: customers and converted of the smaller arm. n_other: customers of the other. total: converted of both.
        rates: lowest and highest common rate searched; missed: the chance that the true one lies outside.
        totals: totals that those rates give with a chance that matters.
        most: the most conversions of the smaller arm worth tabulating.
    """

    n: int
    x: int
    n_other: int
    total: int
    rates: tuple[float, float]
    missed: float
    totals: Array
    most: int

    @property
    def size(self) -> int:
        """Customers of both arms."""
        return self.n + self.n_other


def _searched(x_t: int, n_t: int, x_c: int, n_c: int) -> _Searched:
    if 2 * (x_t + x_c) > n_t + n_c:
        x_t, x_c = n_t - x_t, n_c - x_c
    (n, x), (n_other, x_other) = sorted([(n_t, x_t), (n_c, x_c)])
    total, size = x + x_other, n + n_other
    low, high, missed = _searched_rates(total, size)
    totals = _likely_totals(size, low, high)
    most = _likely_most(n, x, n / size * float(totals[-1]))
    return _Searched(n, x, n_other, total, (low, high), missed, totals, most)


def _squared_score(x: Array, total: Array, seen: _Searched) -> Array:
    """The pooled score statistic, squared; zero where everybody or nobody converted."""
    share = total / seen.size
    variance = share * (1 - share) * (1 / seen.n + 1 / seen.n_other)
    gap = x / seen.n - (total - x) / seen.n_other
    return np.asarray(np.where(variance > 0, gap**2 / np.where(variance > 0, variance, 1.0), 0.0))


def _searched_rates(total: int, size: int) -> tuple[float, float, float]:
    """Lowest and highest common rate to search, and the chance that the true one lies outside."""
    if size <= UNRESTRICTED:
        return 0.0, 1.0, 0.0
    low = float(betaincinv(total, size - total + 1, MISS / 2)) if total else 0.0
    return low, float(betaincinv(total + 1, size - total, 1 - MISS / 2)), MISS


def _allowed(tails: Array, observed: float) -> Array:
    """(totals,) the largest tail not above the observed one: Fisher's p of the least extreme table that counts."""
    return np.asarray(np.where(tails <= observed * _TIE, tails, 0.0).max(axis=1))


def _largest_probability(extreme: Array, seen: _Searched) -> float:
    """The maximum over the common rate, by a grid refined around its best point."""
    grid = np.linspace(*seen.rates, _GRID)
    best = _probability(grid, extreme, seen.totals, seen.size)
    for _ in range(3):
        at = int(np.argmax(best))
        grid = np.linspace(grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)], 21)
        best = _probability(grid, extreme, seen.totals, seen.size)
    return float(best.max())


def _likely_totals(size: int, low: float, high: float) -> Array:
    """Totals that rates between `low` and `high` give with a chance that matters."""
    reach = 9.0
    first = size * low - reach * np.sqrt(size * low) - reach
    last = size * high + reach * np.sqrt(size * high) + reach**2
    return np.arange(max(0, int(first)), min(size, int(last)) + 1, dtype=np.float64)


def _likely_most(n: int, x: int, expected: float) -> int:
    """The most conversions of the smaller arm worth tabulating: beyond them lies no chance that a double can hold."""
    return min(n, max(x + 1, int(expected + 20 * np.sqrt(expected + 1) + 60)))


def _masses(totals: Array, seen: _Searched) -> Array:
    """(totals, x) chances that x of the total fall to the smaller arm."""
    n, n_other, x = seen.n, seen.n_other, np.arange(seen.most + 1)
    rest = totals.astype(np.intp)[:, None] - x[None, :]
    first, last = int(rest.min()), int(rest.max())
    span = np.arange(first, last + 1, dtype=np.float64)
    other = np.where((span >= 0) & (span <= n_other), _log_choose(n_other, np.clip(span, 0, n_other)), -np.inf)
    mine = _log_choose(n, x.astype(np.float64))
    return np.asarray(np.exp(mine[None, :] + other[rest - first] - _log_choose(n + n_other, totals)[:, None]))


def _upper_tails(masses: Array) -> Array:
    return np.minimum(np.cumsum(masses[:, ::-1], axis=1)[:, ::-1], 1.0)


def _lower_tails(masses: Array) -> Array:
    return np.minimum(np.cumsum(masses, axis=1), 1.0)


def _log_choose(n: int, k: Array) -> Array:
    return np.asarray(gammaln(n + 1.0) - gammaln(k + 1) - gammaln(n - k + 1))


def _probability(rates: Array, extreme: Array, totals: Array, size: int) -> Array:
    rate = rates[:, None]
    mass = np.exp(_log_choose(size, totals)[None, :] + xlogy(totals, rate) + xlog1py(size - totals, -rate))
    return np.asarray(mass @ extreme)
