"""EASE^R, a linear model of "who has these also has that" with a closed form, and the weights that sharpen it.

With X the baskets x items table, W basket weights and P = (X'WX + ridge)^-1, the score of target j given item i is

    B_ij = -P_ij / (P_jj^a P_ii^b),    B_ii = 0.

a = 1, b = 0, W = 1 and a constant ridge are Steck (2019), "Embarrassingly Shallow Autoencoders for Sparse Data",
eq. 8. Added here, each tried on baskets before the cut only (`benchmarks/affinity.py choose`):

- a ridge that grows with the item's own count, as if that share of the items had been hidden while fitting:
  Steck (2020), "Autoencoders that don't overfit towards the Identity", eq. 9: dropout p adds p / (1 - p) diag(X'WX);
- a basket weighs its size to the power -s: a list of 100 lines tells less per pair than one of three;
- a basket weighs 2^(-age / half-life): assortments change;
- customers weigh in with all they ever bought: an order is often split over two baskets;
- a < 1 and b > 0 damp the advantage of items that nothing predicts well.

Memory is one dense items x items table of doubles (20,000 items: 3.2 GB); it is inverted in place.

Rejected: neural and factor models. On data like these tuned linear models and neighbours win (Ferrari Dacrema,
Cremonesi, Jannach 2019), and a closed form gives the same answer every time.
"""

from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotri
from scipy.sparse import csr_array, diags_array

from offerlab.affinity.baskets import UNKNOWN, Baskets, Table, take
from offerlab.affinity.counting import by_customer
from offerlab.errors import InvalidInput

Floats = NDArray[np.float64]
_BLOCK: Final = 1024


class Ease(Struct, frozen=True, kw_only=True, tag="ease"):
    """The linear model above; the defaults are Steck's own.

    Attributes:
        ridge: added to the diagonal, in baskets; > 0.
        dropout: share p of the items hidden while fitting, in [0, 1).
        size_exponent: s; 0 weighs all baskets alike.
        half_life_days: age at which a basket weighs half; None: never less.
        customer_weight: weight of a customer's whole history against that of one basket; 0 leaves it out.
        customer_size_exponent: s for those histories.
        target_exponent, source_exponent: a and b.
    """

    ridge: float = 100.0
    dropout: float = 0.0
    size_exponent: float = 0.0
    half_life_days: float | None = None
    customer_weight: float = 0.0
    customer_size_exponent: float = 0.5
    target_exponent: float = 1.0
    source_exponent: float = 0.0


def fit(baskets: Baskets, model: Ease) -> Floats:
    """P, items x items, symmetric and positive definite.

    Raises:
        InvalidInput: ridge not above zero, or dropout outside [0, 1).
    """
    if not model.ridge > 0 or not 0 <= model.dropout < 1:
        raise InvalidInput(f"ridge {model.ridge} and dropout {model.dropout} give no model", field="strategy")
    gram = np.zeros((len(baskets.items), len(baskets.items)), order="F")
    ages = baskets.days.max(initial=0) - baskets.days
    recency = 1.0 if model.half_life_days is None else np.exp2(-ages / model.half_life_days)
    _add_gram(gram, baskets.table, _by_size(baskets.table, model.size_exponent) * recency, 1.0)
    if model.customer_weight:
        histories = by_customer(take(baskets, baskets.customers != UNKNOWN))
        _add_gram(gram, histories, _by_size(histories, model.customer_size_exponent), model.customer_weight)
    diagonal = np.einsum("ii->i", gram)
    diagonal += model.ridge + model.dropout / (1 - model.dropout) * diagonal
    return _inverse(gram)


def scores(inverse: Floats, model: Ease, start: int, stop: int) -> Floats:
    """B for the source items [start, stop), all targets; a view's worth of memory, not a second table."""
    diagonal = np.diagonal(inverse)
    block = -inverse[start:stop] / diagonal**model.target_exponent
    block /= (diagonal[start:stop] ** model.source_exponent)[:, None]
    block[np.arange(stop - start), np.arange(start, stop)] = 0.0
    return block


def _by_size(table: Table, exponent: float) -> Floats:
    return np.maximum(np.diff(table.indptr), 1).astype(np.float64) ** -exponent


def _add_gram(gram: Floats, table: Table, weights: Floats, share: float) -> None:
    """Add share * X'WX, with W scaled so that all entries of the table weigh 1 on average."""
    mass = float(np.diff(table.indptr) @ weights)
    if not mass:
        return
    root = np.sqrt(weights * (share * table.nnz / mass))
    weighted = csr_array(diags_array(root) @ table.astype(np.float64))
    transposed = weighted.T.tocsr()
    for start in range(0, gram.shape[0], _BLOCK):
        stop = min(start + _BLOCK, gram.shape[0])
        gram.T[start:stop] += (transposed[start:stop] @ weighted).toarray()  # symmetric: the side that lies in a row


def _inverse(gram: Floats) -> Floats:
    """The inverse of a symmetric positive definite table (columns first), in its own memory."""
    lower, failed = dpotrf(gram, lower=1, clean=0, overwrite_a=1)
    if failed:
        raise InvalidInput("the pair counts are not positive definite: the ridge is too small", field="ridge")
    inverse, _ = dpotri(lower, lower=1, overwrite_c=1)
    for start in range(0, inverse.shape[0], _BLOCK):
        stop = min(start + _BLOCK, inverse.shape[0])
        inverse[start:stop, stop:] = inverse[stop:, start:stop].T
        square = inverse[start:stop, start:stop]
        square[:] = np.tril(square) + np.tril(square, -1).T
    result: Floats = inverse
    return result
