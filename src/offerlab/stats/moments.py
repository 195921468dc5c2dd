"""Moments: all that the statistics ever see of the customers.

Count, means, centred products and centred triple products of some columns, for one arm or for a whole array of arms.
They add up over days, shards, segments and epochs, and any engine can produce them from power sums.
Cubes are carried because sparse revenue is skewed: the tests correct their tails with them.
Rejected: raw power sums (mean 1e9 with deviation 1 loses every digit), and pairwise moments per metric
(a regression on several covariates needs the cross products of all of them).
"""

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from offerlab.errors import InvalidMoments

Array = NDArray[np.float64]

_SLACK = 1e-6  # share by which rounding may break an inequality that exact sums obey
_NO_SPREAD = 1e-13  # a variance below this share of the squares about the shift is rounding, not spread


class Moments(Struct, frozen=True, eq=False):
    """Centred moments of `k` columns; `...` is any leading batch shape (none for one arm).

    Attributes:
        columns: k names.
        n: (...) number of customers.
        mean: (..., k).
        second: (..., k, k) sums of products of deviations from the mean.
        third: (..., k, k, k) sums of triple products of deviations from the mean.
        nonzero: (..., k) customers whose value is not zero; NaN where the source did not count them.
    """

    columns: tuple[str, ...]
    n: Array
    mean: Array
    second: Array
    third: Array
    nonzero: Array

    @property
    def shape(self) -> tuple[int, ...]:
        """The batch shape; () for one arm."""
        return self.n.shape

    def __getitem__(self, index: int | slice | NDArray[np.intp] | NDArray[np.bool_]) -> "Moments":
        """One arm, or some, of a batch."""
        return Moments(
            self.columns,
            np.asarray(self.n[index]),
            self.mean[index],
            self.second[index],
            self.third[index],
            self.nonzero[index],
        )

    def position(self, column: str | int) -> int:
        """The index of a column.

        Raises:
            InvalidMoments: no such column.
        """
        if isinstance(column, int):
            if not -len(self.columns) <= column < len(self.columns):
                raise InvalidMoments(f"There is no column {column} among {list(self.columns)}.", field="column")
            return column % len(self.columns)
        if column not in self.columns:
            raise InvalidMoments(f"There is no column {column!r} among {list(self.columns)}.", field="column")
        return self.columns.index(column)

    def variance(self, column: str | int = 0) -> Array:
        """(...) sample variances (divisor n - 1); zero where n < 2."""
        i = self.position(column)
        return self.second[..., i, i] / np.maximum(self.n - 1, 1)

    def third_moment(self, column: str | int = 0) -> Array:
        """(...) unbiased third central moments, n / ((n-1)(n-2)) times the sum; zero where n < 3."""
        i = self.position(column)
        return self.third[..., i, i, i] * _third_scale(self.n)

    def converters(self, column: str | int = 0) -> Array:
        """(...) customers with a value; where they were not counted, the fewest that could give these sums.

        The bound is Cauchy and Schwarz's: (sum x)^2 / (sum x^2) customers at least.
        """
        i = self.position(column)
        squares = self.second[..., i, i] + self.n * self.mean[..., i] ** 2
        fewest = (self.n * self.mean[..., i]) ** 2 / np.where(squares > 0, squares, 1.0)
        counted = self.nonzero[..., i]
        return np.where(np.isnan(counted), fewest, counted)

    def select(self, columns: Sequence[str | int]) -> "Moments":
        """The same customers, these columns in this order."""
        at = [self.position(column) for column in columns]
        return Moments(
            tuple(self.columns[i] for i in at),
            self.n,
            self.mean[..., at],
            self.second[..., at, :][..., at],
            self.third[..., at, :, :][..., at, :][..., at],
            self.nonzero[..., at],
        )

    def linear(self, weights: ArrayLike, offset: ArrayLike = 0.0, name: str = "combination") -> "Moments":
        """Moments of one linear combination of the columns, `sum_i weights_i x_i + offset`.

        Args:
            weights: (k,) or (..., k).
            offset: scalar or (...).
            name: of the new column.
        """
        w = np.asarray(weights, dtype=np.float64)
        second = _contract(_contract(self.second, w, 1), w, 0)
        third = _contract(_contract(_contract(self.third, w, 2), w, 1), w, 0)
        mean = _contract(self.mean, w, 0) + np.asarray(offset, dtype=np.float64)
        n = np.broadcast_to(self.n, mean.shape)
        return Moments(
            (name,),
            n,
            mean[..., None],
            np.maximum(second, 0.0)[..., None, None],
            third[..., None, None, None],
            np.full((*mean.shape, 1), np.nan),
        )

    def project(self, weights: ArrayLike, names: Sequence[str], offset: ArrayLike = 0.0) -> "Moments":
        """Moments of j linear combinations at once, `sum_i weights_ji x_i + offset_j`.

        Args:
            weights: (..., j, k).
            names: of the j new columns.
            offset: scalar, (j,) or (..., j).
        """
        w = np.asarray(weights, dtype=np.float64)
        turned = np.swapaxes(w, -1, -2)
        mean = np.matmul(w, self.mean[..., None])[..., 0] + np.asarray(offset, dtype=np.float64)
        second = np.matmul(np.matmul(w, self.second), turned)
        inner = np.matmul(np.matmul(w[..., None, :, :], self.third), turned[..., None, :, :])
        third = np.matmul(w, inner.reshape(*inner.shape[:-2], -1)).reshape(*second.shape, len(names))
        n = np.broadcast_to(self.n, mean.shape[:-1])
        return Moments(tuple(names), n, mean, second, third, np.full(mean.shape, np.nan))

    def merge(self, other: "Moments") -> "Moments":
        """The customers of both (same columns, disjoint people).

        Raises:
            InvalidMoments: the columns differ.
        Source:
            Pebay (2008), Sandia report SAND2008-6212, eqs. 1.5, 2.1, 3.1, in their multivariate form.
        """
        if self.columns != other.columns:
            raise InvalidMoments(f"Cannot merge {list(self.columns)} with {list(other.columns)}.", field="columns")
        n = self.n + other.n
        share = other.n / np.where(n > 0, n, 1.0)
        delta = other.mean - self.mean
        delta = np.where((self.n > 0)[..., None] & (other.n > 0)[..., None], delta, 0.0)
        mean = np.where((self.n > 0)[..., None], self.mean + share[..., None] * delta, other.mean)
        outer = delta[..., :, None] * delta[..., None, :]
        second = self.second + other.second + (self.n * share)[..., None, None] * outer
        mixed = (1 - share)[..., None, None] * other.second - share[..., None, None] * self.second
        cube = (self.n * share * (1 - 2 * share))[..., None, None, None] * (
            outer[..., None] * delta[..., None, None, :]
        )
        third = self.third + other.third + _symmetric(delta, mixed) + cube
        return Moments(self.columns, n, mean, second, third, self.nonzero + other.nonzero)


def from_values(columns: Sequence[str], values: ArrayLike) -> Moments:
    """Moments of rows, one customer each.

    Args:
        columns: k names.
        values: (rows, k), finite; one column may also come as (rows,).

    Raises:
        InvalidMoments: another shape, or a value that is not finite.
    """
    x = np.asarray(values, dtype=np.float64)
    x = x[:, None] if x.ndim == 1 and len(columns) == 1 else x
    k = len(columns)
    if x.ndim != 2 or x.shape[1] != k:  # noqa: PLR2004 - rows and columns
        raise InvalidMoments(f"Values of shape {x.shape} do not give {k} columns.", field="values")
    if not np.all(np.isfinite(x)):
        raise InvalidMoments("A value is missing or not finite.", field="values")
    n = np.float64(x.shape[0])
    mean = x.mean(axis=0) if n else np.zeros(k)
    centred = x - mean
    drift = centred.mean(axis=0) if n else np.zeros(k)
    mean, centred = mean + drift, centred - drift
    second = centred.T @ centred
    third = np.einsum("nij,nl->ijl", centred[:, :, None] * centred[:, None, :], centred, optimize=True)
    constant = np.all(x == x[:1], axis=0) if n else np.ones(k, dtype=np.bool_)
    mean = np.where(constant, x[0], mean) if n else mean
    second, third = _without_spread(constant, second, third)
    return Moments(tuple(columns), np.asarray(n), mean, second, third, np.count_nonzero(x, axis=0).astype(np.float64))


def monomials(k: int) -> list[tuple[int, ...]]:
    """The products of k shifted columns that `from_sums` needs, in its order: singles, then pairs, then triples.

    `(0,)` stands for sum(x0 - shift0), `(0, 1)` for sum((x0 - shift0)(x1 - shift1)), and so on.
    """
    return [index for degree in (1, 2, 3) for index in combinations_with_replacement(range(k), degree)]


def from_sums(
    columns: Sequence[str], n: ArrayLike, shift: ArrayLike, sums: ArrayLike, nonzero: ArrayLike | None = None
) -> Moments:
    """Moments from the power sums that a query engine gives: one number per entry of `monomials(k)`.

    Args:
        columns: k names.
        n: (...) customers.
        shift: (k,) the fixed number taken off each column before multiplying; near its mean for precision.
        sums: (..., len(monomials(k))).
        nonzero: (..., k) customers with a value other than zero, where counted.

    Raises:
        InvalidMoments: a wrong length, or sums that no data could have produced.
    """
    k = len(columns)
    flat = np.asarray(sums, dtype=np.float64)
    order = monomials(k)
    if flat.shape[-1:] != (len(order),):
        raise InvalidMoments(f"{k} columns need {len(order)} sums, not {flat.shape[-1:]}.", field="sums")
    place = {index: at for at, index in enumerate(order)}
    pairs = np.array([[place[i, j] if i <= j else place[j, i] for j in range(k)] for i in range(k)], dtype=np.intp)
    triples = np.array(
        [[[place[_sorted(i, j, h)] for h in range(k)] for j in range(k)] for i in range(k)], dtype=np.intp
    )
    return from_power_sums(
        columns,
        n,
        shift,
        flat[..., :k],
        flat[..., pairs.reshape(k, k)],
        flat[..., triples.reshape(k, k, k)],
        nonzero,
    )


def from_power_sums(
    columns: Sequence[str],
    n: ArrayLike,
    shift: ArrayLike,
    s1: ArrayLike,
    s2: ArrayLike,
    s3: ArrayLike,
    nonzero: ArrayLike | None = None,
) -> Moments:
    """Moments from sums around a fixed shift: s1 (..., k), s2 (..., k, k), s3 (..., k, k, k).

    Raises:
        InvalidMoments: sums that no data could have produced.
    """
    k = len(columns)
    count = np.asarray(n, dtype=np.float64)
    first = np.asarray(s1, dtype=np.float64)
    raw2 = np.asarray(s2, dtype=np.float64)
    raw3 = np.asarray(s3, dtype=np.float64)
    if first.shape != (*count.shape, k) or raw2.shape != (*first.shape, k) or raw3.shape != (*raw2.shape, k):
        raise InvalidMoments(
            f"Sums of shapes {first.shape}, {raw2.shape}, {raw3.shape} do not fit {k} columns of batch {count.shape}."
        )
    safe = np.maximum(count, 1.0)
    d = first / safe[..., None]
    outer = d[..., :, None] * d[..., None, :]
    second = raw2 - count[..., None, None] * outer
    third = raw3 - _symmetric(d, raw2) + (2 * count)[..., None, None, None] * (outer[..., None] * d[..., None, None, :])
    squares = np.einsum("...ii->...i", raw2)
    spread = np.einsum("...ii->...i", second)
    second, third = _without_spread(np.abs(spread) <= _NO_SPREAD * squares, second, third)
    counted = np.full(first.shape, np.nan) if nonzero is None else np.asarray(nonzero, dtype=np.float64)
    mean = np.where((count > 0)[..., None], np.asarray(shift, dtype=np.float64) + d, 0.0)
    return validate(Moments(tuple(columns), count, mean, second, third, counted))


def empty(columns: Sequence[str]) -> Moments:
    """Nobody: the neutral element of `merge`."""
    k = len(columns)
    return Moments(tuple(columns), np.asarray(0.0), np.zeros(k), np.zeros((k, k)), np.zeros((k, k, k)), np.zeros(k))


def merge_all(parts: Sequence[Moments]) -> Moments:
    """All customers of all parts, merged in the given order.

    Raises:
        InvalidMoments: no part at all, or columns that differ.
    """
    if not parts:
        raise InvalidMoments("There is nothing to merge.", field="parts")
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.merge(part)
    return whole


def stack(parts: Sequence[Moments]) -> Moments:
    """A batch from single arms or equally shaped batches: the new axis comes first.

    Raises:
        InvalidMoments: no part at all, or columns that differ.
    """
    if not parts:
        raise InvalidMoments("There is nothing to stack.", field="parts")
    if any(part.columns != parts[0].columns for part in parts):
        raise InvalidMoments("Only arms with the same columns stack.", field="columns")
    return Moments(
        parts[0].columns,
        np.stack([part.n for part in parts]),
        np.stack([part.mean for part in parts]),
        np.stack([part.second for part in parts]),
        np.stack([part.third for part in parts]),
        np.stack([part.nonzero for part in parts]),
    )


def validate(moments: Moments) -> Moments:
    """The same moments, when data could have produced them.

    Raises:
        InvalidMoments: with the rule that is broken.
    """
    n, k = moments.n, len(moments.columns)
    expected = ((*n.shape, k), (*n.shape, k, k), (*n.shape, k, k, k), (*n.shape, k))
    if (moments.mean.shape, moments.second.shape, moments.third.shape, moments.nonzero.shape) != expected:
        raise InvalidMoments(f"The arrays do not fit {k} columns of batch {n.shape}.")
    finite = (n, moments.mean, moments.second, moments.third)
    if not all(np.all(np.isfinite(part)) for part in finite):
        raise InvalidMoments("A moment is not finite.")
    if np.any(n < 0) or np.any(n != np.floor(n)):
        raise InvalidMoments("n is the number of customers: a whole number, zero or more.", field="n")
    if np.any(moments.nonzero < 0) or np.any(moments.nonzero > n[..., None]):
        raise InvalidMoments("No more customers can have a value than there are.", field="nonzero")
    spread = np.einsum("...ii->...i", moments.second)
    if np.any(spread < 0):
        raise InvalidMoments("A sum of squares cannot be negative.", field="second")
    if np.any((n <= 1)[..., None] & (spread > 0)):
        raise InvalidMoments("Fewer than two customers have no spread.", field="second")
    _refuse_impossible_products(moments, spread)
    return moments


def _refuse_impossible_products(moments: Moments, spread: Array) -> None:
    bound = spread[..., :, None] * spread[..., None, :]
    if np.any(moments.second**2 > bound * (1 + _SLACK) + np.finfo(float).tiny):
        raise InvalidMoments("A cross product exceeds what its two variances allow (Cauchy-Schwarz).", field="second")
    cubes = np.einsum("...iii->...i", moments.third)
    n = moments.n[..., None]
    widest = (n - 2) ** 2 / np.maximum(n * (n - 1), 1.0)
    if np.any(cubes**2 > spread**3 * np.where(n > 1, widest, 0.0) * (1 + _SLACK) + _SLACK * spread**3):
        raise InvalidMoments("A sum of cubes exceeds what n and the sum of squares allow.", field="third")


def _contract(tensor: Array, weights: Array, left: int) -> Array:
    """The last axis of `tensor` against `weights` (..., k); `left` index axes stay."""
    shaped = weights.reshape(*weights.shape[:-1], *([1] * left), weights.shape[-1])
    return np.asarray(np.sum(tensor * shaped, axis=-1))


def _symmetric(vector: Array, matrix: Array) -> Array:
    """v_i M_jl + v_j M_il + v_l M_ij."""
    return (
        vector[..., :, None, None] * matrix[..., None, :, :]
        + vector[..., None, :, None] * matrix[..., :, None, :]
        + vector[..., None, None, :] * matrix[..., :, :, None]
    )


def _without_spread(flat: NDArray[np.bool_], second: Array, third: Array) -> tuple[Array, Array]:
    """Columns without spread have exactly zero products: what rounding left is taken out."""
    keep = np.where(flat, 0.0, 1.0)
    pair = keep[..., :, None] * keep[..., None, :]
    return second * pair, third * (pair[..., None] * keep[..., None, None, :])


def _third_scale(n: Array) -> Array:
    return np.where(n > 2, n / np.maximum((n - 1) * (n - 2), 1.0), 0.0)  # noqa: PLR2004 - three points have a third moment


def _sorted(*index: int) -> tuple[int, ...]:
    return tuple(sorted(index))
