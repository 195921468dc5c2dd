"""Offer x timing x channel in one experiment: what each factor does, and whether they need each other.

Every combination of levels is an arm. A factor's effect is averaged over the other factors with equal weights, so each
customer answers every question at once; an interaction is a difference of differences. No model is assumed: the cells'
own means and variances carry everything, as in the saturated regression with HC2.
Rejected: one-factor-at-a-time tests (they need as many customers for each factor and miss interactions), and
regressions that leave interactions out before looking (a main effect then means something else).
"""

from collections.abc import Sequence
from functools import reduce
from itertools import combinations, product

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from offerlab.errors import InvalidInput, InvalidPlan
from offerlab.stats.best_arm import best_arm
from offerlab.stats.effect import Interval, Undetermined
from offerlab.stats.multiplicity import Method, adjust, check_alpha
from offerlab.stats.wald import Wald, wald_test

Floats = NDArray[np.float64]


class Factor(Struct, frozen=True):
    """One thing that was varied.

    Attributes:
        name: such as `offer`, `timing`, `channel`.
        levels: at least two; the first is the reference.
    """

    name: str
    levels: tuple[str, ...]


class Contrast(Struct, frozen=True):
    """One number of a term.

    Attributes:
        factors: one name: a main effect; more: an interaction.
        levels: the level of each that is compared with its reference.
        effect: in the metric's unit, averaged over the levels of all other factors.
        p_value, p_value_adjusted: two-sided; adjusted over all contrasts of the experiment.
    """

    factors: tuple[str, ...]
    levels: tuple[str, ...]
    effect: Interval
    p_value: float
    p_value_adjusted: float


class Term(Struct, frozen=True):
    """A factor, or a set of factors that may need each other.

    Attributes:
        factors: their names.
        test: that all contrasts of the term are zero.
        p_value_adjusted: over all terms.
        contrasts: one per combination of levels other than the references.
    """

    factors: tuple[str, ...]
    test: Wald
    p_value_adjusted: float
    contrasts: tuple[Contrast, ...]


class Recommendation(Struct, frozen=True):
    """Which level to ship.

    Attributes:
        factors: the factors decided together: a single one, or all that interact.
        levels: the best of each.
        chance: that this is the best combination (flat prior).
        expected_loss: expected shortfall behind the best, in the metric's unit.
    """

    factors: tuple[str, ...]
    levels: tuple[str, ...]
    chance: float
    expected_loss: float


class Factorial(Struct, frozen=True):
    """The experiment read term by term, main effects first.

    Attributes:
        terms: all main effects and interactions.
        recommendations: one per group of factors that interact, single factors apart; `Undetermined` where nothing in
            the group is distinguishable from chance.
    """

    terms: tuple[Term, ...]
    recommendations: tuple[Recommendation | Undetermined, ...]


def read_factorial(
    factors: Sequence[Factor], means: ArrayLike, variances: ArrayLike, *, alpha: float = 0.05, method: Method = "holm"
) -> Factorial | Undetermined:
    """Main effects and interactions of a complete factorial design.

    Args:
        factors: k of them.
        means: of each arm, shape (levels of factor 1, ..., levels of factor k); higher is better.
        variances: of these means (s2 / n), same shape.
        alpha: error rate of the intervals and of the family.
        method: correction over the terms, and over the contrasts.

    Returns:
        The reading, or why there is none (an arm without a mean or variance: NaN or zero).

    Raises:
        InvalidPlan: a factor with fewer than two levels, or names that repeat. InvalidInput: shapes that do not fit.

    Source:
        Dasgupta, Pillai & Rubin (2015), JRSS-B 77, 727-753; Wu & Hamada (2009), Experiments, chapters 3-4.
    """
    check_alpha(alpha)
    m, v = _check(factors, means, variances)
    if not (np.isfinite(m).all() and np.isfinite(v).all() and np.all(v > 0.0)):
        return Undetermined("too_few", "An arm of the design has too few customers to have a mean and a variance.")
    chosen = [c for size in range(1, len(factors) + 1) for c in combinations(range(len(factors)), size)]
    tables = [_contrasts(factors, term) for term in chosen]
    tests = [wald_test(c @ m.ravel(), (c * v.ravel()) @ c.T) for c in tables]
    everything = np.concatenate(tables)
    estimates, errors = everything @ m.ravel(), np.sqrt(everything**2 @ v.ravel())
    p = 2 * ndtr(-np.abs(estimates) / errors)
    shown = adjust(p, method=method, alpha=alpha)
    half = -ndtri(shown.interval_alpha / 2) * errors
    term_p = adjust([test.p_value for test in tests], method=method, alpha=alpha)
    terms, at = [], 0
    for term, test, corrected in zip(chosen, tests, term_p.p_values.tolist(), strict=True):
        names = tuple(factors[f].name for f in term)
        contrasts = []
        for levels in product(*(factors[f].levels[1:] for f in term)):
            d, h = float(estimates[at]), float(half[at])
            effect = Interval(d, d - h, d + h)
            contrasts.append(Contrast(names, levels, effect, float(p[at]), float(shown.p_values[at])))
            at += 1
        terms.append(Term(names, test, corrected, tuple(contrasts)))
    rejected = [term for term, yes in zip(chosen, term_p.rejected.tolist(), strict=True) if yes]
    return Factorial(tuple(terms), _recommend(factors, m, v, rejected))


def _contrasts(factors: Sequence[Factor], term: tuple[int, ...]) -> Floats:
    """One row per combination of levels of the term's factors other than the first, over all cells."""
    parts = []
    for at, factor in enumerate(factors):
        size = len(factor.levels)
        own = np.hstack([-np.ones((size - 1, 1)), np.eye(size - 1)])
        parts.append(own if at in term else np.full((1, size), 1 / size))
    return np.asarray(reduce(np.kron, parts), dtype=np.float64)


def _recommend(
    factors: Sequence[Factor], m: Floats, v: Floats, rejected: Sequence[tuple[int, ...]]
) -> tuple[Recommendation | Undetermined, ...]:
    """Factors that interact are chosen together, the others each by itself, averaged over the rest."""
    group = {f: frozenset([f]) for f in range(len(factors))}
    for term in rejected:
        joined = frozenset().union(*(group[f] for f in term))
        group.update(dict.fromkeys(joined, joined))
    touched = {f for term in rejected for f in term}
    answers: list[Recommendation | Undetermined] = []
    for members in sorted(set(group.values()), key=min):
        names = tuple(factors[f].name for f in sorted(members))
        if not members & touched:
            answers.append(Undetermined("too_few", f"Not enough data to tell the levels of {names[0]} apart."))
            continue
        others = tuple(f for f in range(len(factors)) if f not in members)
        level, variance = m.mean(axis=others), v.sum(axis=others) / np.prod([m.shape[f] for f in others]) ** 2
        best = best_arm(level.ravel(), variance.ravel())
        winner = int(level.argmax())
        at = np.unravel_index(winner, level.shape)
        levels = tuple(factors[f].levels[int(i)] for f, i in zip(sorted(members), at, strict=True))
        answers.append(Recommendation(names, levels, float(best.chance[winner]), float(best.expected_loss[winner])))
    return tuple(answers)


def _check(factors: Sequence[Factor], means: ArrayLike, variances: ArrayLike) -> tuple[Floats, Floats]:
    if not factors or any(len(set(f.levels)) != len(f.levels) or len(f.levels) < 2 for f in factors):  # noqa: PLR2004 - a factor has two levels or more
        raise InvalidPlan("a factor has two or more different levels", field="factors")
    if len({f.name for f in factors}) != len(factors):
        raise InvalidPlan("two factors have the same name", field="factors")
    m, v = np.asarray(means, dtype=np.float64), np.asarray(variances, dtype=np.float64)
    shape = tuple(len(f.levels) for f in factors)
    if m.shape != shape or v.shape != shape:
        raise InvalidInput(f"means of {m.shape} and variances of {v.shape} for a design of {shape}", field="means")
    return m, v
