"""How much of the error may be used up by the time a share of the information is in.

Lan and DeMets (1983): fix the function, not the number and the dates of the looks; every look may then spend what the
function allows by now less what was spent before, whenever it is taken. Rejected: tables for equally spaced looks,
which nobody keeps to, and nominal levels z/√t, which err 6.5 to 7.5 % where 5 % is promised.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from offerlab.errors import InvalidPlan

FloatArray = NDArray[np.float64]
Spending = Literal["obrien_fleming", "pocock"]


def spent(fraction: FloatArray | float, error: float, spending: Spending = "obrien_fleming") -> FloatArray:
    """Error of one side used up by each information fraction.

    Args:
        fraction: shares of the planned information, any shape, 0 or more; beyond 1 everything is spent.
        error: the whole error of that side (for a two-sided test half of its alpha), 0 < error < 1.
        spending: "obrien_fleming" hardly spends early, "pocock" spends about evenly.

    Returns:
        Cumulative error, the shape of `fraction`, from 0 to `error`.

    Raises:
        InvalidPlan: error outside (0, 1), a negative fraction, an unknown function.
    Source:
        Lan and DeMets (1983), Biometrika 70(3), 659-663: 2(1 - Φ(z_{error/2}/√t)) and error·ln(1 + (e - 1)t).
    """
    if not 0.0 < error < 1.0:
        raise InvalidPlan(f"an error rate lies between 0 and 1, not {error}", field="alpha")
    share = np.minimum(np.asarray(fraction, dtype=np.float64), 1.0)
    if not np.all(share >= 0.0):
        raise InvalidPlan("an information fraction is 0 or more", field="fraction")
    if spending == "pocock":
        return np.asarray(error * np.log1p((np.e - 1.0) * share))
    if spending == "obrien_fleming":
        root = np.sqrt(np.maximum(share, np.finfo(np.float64).tiny))
        return np.asarray(np.where(share >= 1.0, error, 2.0 * ndtr(ndtri(error / 2.0) / root)))
    raise InvalidPlan(f"no spending function is called {spending!r}", field="spending")
