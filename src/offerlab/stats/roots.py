"""Roots of many monotone functions at once: the ends of intervals that have no closed form.

scipy's own vectorised solver (`scipy.optimize.elementwise`) costs milliseconds of bookkeeping per call,
several times the arithmetic of a thousand comparisons; this one does nothing but the arithmetic.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_MOST_STEPS = 80
_MOST_DOUBLINGS = 200
_MOST_SECANTS = 8
_LAST_STEP = 1e-10  # a secant step this small leaves an error of about its power 1.6: nothing
_TIGHT = 4 * np.finfo(np.float64).eps


def widen(
    function: Callable[[Array], Array], start: Array, step: Array, value: Array
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Step away from `start`, doubling, until the function has changed its sign.

    Args:
        function: elementwise.
        start: where the sign is known.
        step: first step, signed, not zero.
        value: function(start).

    Returns:
        (end, function(end), found); where nothing was found the last point tried.
    """
    end = start + step
    at_end = function(end)
    for _ in range(_MOST_DOUBLINGS):
        missing = (at_end * value > 0) & np.isfinite(end)
        if not missing.any():
            break
        step = np.where(missing, 2 * step, step)
        end = np.where(missing, start + step, end)
        at_end = np.where(missing, function(end), at_end)
    return end, at_end, (at_end * value <= 0) & np.isfinite(end)


def secant(
    function: Callable[[Array], Array], first: Array, second: Array, size: Array, *, at_first: Array | None = None
) -> tuple[Array, NDArray[np.bool_]]:
    """Roots near two good guesses, unguarded: half the work of `solve`, where it converges.

    Args:
        function: elementwise and smooth.
        first: a guess.
        second: a better one.
        size: as in `solve`.
        at_first: function(first), where it is known.

    Returns:
        (roots, whether they settled).
    """
    before, at_before, x = first, function(first) if at_first is None else at_first, second
    settled = np.zeros(first.shape, dtype=np.bool_)
    for _ in range(_MOST_SECANTS):
        value = function(x)
        rise = value - at_before
        flat = rise == 0
        step = value * (x - before) / np.where(flat, 1.0, rise)
        usable = np.isfinite(step) & (~flat | (value == 0)) & ~settled
        before, at_before, x = x, value, np.where(usable, x - step, x)
        settled |= usable & (np.abs(step) <= _LAST_STEP * size)
        if settled.all():
            break
    return x, settled


def solve(
    function: Callable[[Array], Array], low: Array, high: Array, at_low: Array, at_high: Array, size: Array
) -> Array:
    """The root between `low` and `high` of each function, to the last digits.

    Args:
        function: elementwise and continuous.
        low: one end.
        high: the other end, where the sign is another (in either order).
        at_low: function(low).
        at_high: function(high).
        size: of the quantities of which the function takes differences: roots are good to four roundings of that.

    Returns:
        The roots; nonsense where the signs agree (the caller masks those).

    Source:
        Chandrupatla (1997), Advances in Engineering Software 28(3), 145-149.
    """
    b, a, c = low, high, high
    fb, fa, fc = at_low, at_high, at_high
    step = _TIGHT * np.maximum(size, np.maximum(np.abs(low), np.abs(high)) * _TIGHT)
    t = np.where((fa == 0) | (fb == 0), 0.0, 0.5)
    for _ in range(_MOST_STEPS):
        x = a + t * (b - a)
        fx = function(x)
        same = (fx > 0) == (fa > 0)
        c, fc = np.where(same, a, b), np.where(same, fa, fb)
        b, fb = np.where(same, b, a), np.where(same, fb, fa)
        a, fa = x, fx
        width = np.abs(b - a)
        done = (width <= 2 * step) | (fa == 0) | (fb == 0)
        if done.all():
            break
        least = np.minimum(step / np.where(width > 0, width, 1.0), 0.5)
        t = np.minimum(np.maximum(_next_fraction(a, b, c, fa, fb, fc), least), 1 - least)
        t = np.where(done, 0.0, t)
    return np.where(np.abs(fa) < np.abs(fb), a, b)


def _next_fraction(a: Array, b: Array, c: Array, fa: Array, fb: Array, fc: Array) -> Array:
    """Inverse quadratic interpolation where it is safe, else bisection."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        xi = (a - b) / (c - b)
        phi = (fa - fb) / (fc - fb)
        safe = (1 - np.sqrt(1 - xi) < phi) & (phi < np.sqrt(xi))
        quadratic = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
    return np.where(safe & np.isfinite(quadratic), quadratic, 0.5)
