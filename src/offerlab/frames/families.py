"""One question at a time, as it may be read today; then the questions of a family together."""

from collections.abc import Mapping, Sequence
from math import nan
from typing import Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from offerlab.frames.comparing import Comparison
from offerlab.frames.metrics import Metric
from offerlab.frames.result import Comparing
from offerlab.stats.dunnett import control_loadings, dunnett
from offerlab.stats.effect import Caution, Effect, Outcome, Undetermined
from offerlab.stats.gatekeeping import fixed_sequence, gated, weighted_holm
from offerlab.stats.guardrail import Guardrail, Margin, guard
from offerlab.stats.looks import Rule
from offerlab.stats.multiplicity import Adjusted, adjust
from offerlab.stats.peeking import safe_effect
from offerlab.stats.rare import rate_ratio
from offerlab.stats.sequential import Look, is_burnt_in

Correction = Literal[
    "none", "bonferroni", "holm", "hochberg", "bh", "by", "weighted", "dunnett", "gated", "fixed_sequence"
]

_LIMIT = 0.05
_LARGEST_LIMIT = 0.999
_BURN_IN = "Looks count from 40 expected converters in the smaller arm: before that the error rate may be missed."


class Study(Struct, frozen=True):
    """How everything is read today.

    Attributes:
        n: customers of all variants.
        rule: for looking early; looks: customers at the earlier looks.
        shares: planned weights by variant; null where unknown.
        control: the reference.
    """

    n: int
    rule: Rule
    looks: tuple[float, ...]
    shares: Mapping[str, float] | None
    control: str

    def today(self, alpha: float | None = None) -> tuple[float, Rule, list[Look]]:
        """What a safe reading wants: customers, the rule (at another error rate), the looks before."""
        rule = self.rule if alpha is None else replace(self.rule, alpha=alpha)
        return float(self.n), rule, [Look(n, nan) for n in self.looks]


class Asked(Struct, frozen=True, eq=False):
    """One comparison with its row."""

    metric: Metric
    comparison: Comparison
    row: Comparing


def read_safely(comparison: Comparison, study: Study, variant: str, alpha: float) -> tuple[Outcome, str | None]:
    """The outcome as it may be read today, and which rule spoke.

    Before the burn-in a rate is read by the exact sequence, if the weights are known; anything else with a caution.
    """
    early = study.rule.kind != "fixed" and not _is_ready(comparison)
    if early and comparison.counts and study.shares is not None:
        x_c, n_c, x_t, n_t = comparison.counts
        share = study.shares[variant] / (study.shares[variant] + study.shares[study.control])
        if 0.0 < share < 1.0 and min(n_c, n_t) > 0:
            return rate_ratio(x_c, x_t, n_c + n_t, share, alpha=alpha), "exact_sequence"
    said, reading = safe_effect(comparison.test, *study.today(alpha))
    if early and isinstance(said, Effect):
        said = replace(said, warnings=(*said.warnings, Caution("burn_in", _BURN_IN)))
    return said, None if reading is None else reading.note


def guarded(
    metric: Metric, comparison: Comparison, study: Study, level: float | None
) -> Guardrail | Undetermined | None:
    """Within its limit, past it, or neither; one-sided at half of alpha, uncorrected: each guardrail protects alone."""
    if metric.role != "guardrail":
        return None
    size = _LIMIT if metric.mde is None else min(metric.mde, _LARGEST_LIMIT)
    margin = Margin(size, relative=level != 0.0, better=metric.better)
    n, rule, looks = study.today()
    return guard(comparison.test, margin, n, replace(rule, alpha=rule.alpha / 2, sides=1), looks)


def corrected(asked: Sequence[Asked], study: Study, correction: Correction) -> list[Asked]:
    """p-values of each family with the ranges that match them."""
    done = list(asked)
    families: tuple[tuple[str, ...], ...] = (("primary",), ("secondary",))
    if correction == "gated":
        families = (("primary", "secondary"),)
    for roles in families:
        at = [i for i, each in enumerate(asked) if each.metric.role in roles]
        if at:
            family = [asked[i] for i in at]
            for i, changed in zip(at, widened(family, _adjusted(family, study, correction), study), strict=True):
                done[i] = changed
    return done


def widened(family: Sequence[Asked], found: Adjusted, study: Study) -> list[Asked]:
    """Each comparison with its adjusted p and the effect at the error rate whose range matches it."""
    done: list[Asked] = []
    levels, kept = found.interval_alpha.tolist(), found.conservative.tolist()
    for each, p, level, conservative in zip(family, found.p_values.tolist(), levels, kept, strict=True):
        wide: Outcome | None = None
        if 0.0 < level < 1.0:
            same = level == study.rule.alpha
            wide = each.row.outcome if same else read_safely(each.comparison, study, each.row.variant, level)[0]
        row = replace(
            each.row, p_value_adjusted=None if np.isnan(p) else p, simultaneous=wide, conservative=conservative
        )
        done.append(replace(each, row=row))
    return done


def p_values_of(family: Sequence[Asked]) -> NDArray[np.float64]:
    """NaN where nothing could be said: no member of the family."""
    return np.array([nan if each.row.p_value is None else each.row.p_value for each in family])


def _is_ready(comparison: Comparison) -> bool:
    if comparison.counts is None:
        return True
    x_c, n_c, x_t, n_t = comparison.counts
    return is_burnt_in(float(x_c + x_t), min(n_c, n_t) / max(n_c + n_t, 1))


def _adjusted(family: Sequence[Asked], study: Study, correction: Correction) -> Adjusted:
    p, alpha = p_values_of(family), study.rule.alpha
    if correction == "weighted":
        return weighted_holm(p, [each.metric.weight for each in family], alpha=alpha)
    if correction == "fixed_sequence":
        return fixed_sequence(p.tolist(), alpha=alpha)
    if correction == "gated":
        return _gated(family, p, alpha)
    if correction == "dunnett":
        return _dunnett(family, p, alpha)
    return adjust(p, method=correction, alpha=alpha)


def _dunnett(family: Sequence[Asked], p: NDArray[np.float64], alpha: float) -> Adjusted:
    """Each metric's variants for their shared control, at an equal share of alpha for each metric."""
    metrics = len({each.row.metric for each in family})
    sizes = np.array([each.row.n for each in family], dtype=np.float64).reshape(metrics, -1)
    base = np.array([each.row.control_n for each in family], dtype=np.float64).reshape(sizes.shape)
    loads = control_loadings(1 / np.maximum(base[:, 0], 1.0), 1 / np.maximum(sizes, 1.0))
    found = dunnett(p.reshape(sizes.shape), loads, alpha=alpha / metrics)
    adjusted = np.minimum(found.p_values.ravel() * metrics, 1.0)
    return _like(found, np.arange(p.size), alpha, adjusted)


def _gated(family: Sequence[Asked], p: NDArray[np.float64], alpha: float) -> Adjusted:
    """Each variant's first primary metric opens the gate to all its others."""
    variants = list(dict.fromkeys(each.row.variant for each in family))
    metrics = list(dict.fromkeys(each.row.metric for each in family))
    first = next((each.row.metric for each in family if each.metric.role == "primary"), metrics[0])
    order = [first, *(name for name in metrics if name != first)]
    place = {(each.row.metric, each.row.variant): i for i, each in enumerate(family)}
    at = np.array([[place[metric, variant] for metric in order] for variant in variants])
    found = gated(p[at[:, 0]], p[at[:, 1:]], alpha=alpha)
    back = np.argsort(at.ravel())
    return _like(found, back, alpha, found.p_values.ravel()[back])


def _like(found: Adjusted, order: NDArray[np.intp], alpha: float, p_values: NDArray[np.float64]) -> Adjusted:
    """A table of families as one list in the given order."""
    return Adjusted(
        method=found.method,
        alpha=alpha,
        p_values=p_values,
        rejected=p_values <= alpha,
        interval_alpha=found.interval_alpha.ravel()[order],
        conservative=found.conservative.ravel()[order],
        tests=found.tests,
    )
