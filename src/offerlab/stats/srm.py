"""Sample ratio mismatch: do the counts per arm contradict the weights they were drawn with?

Two questions, two tests. `check_split` asks at one look (Pearson's chi-square): it vetoes a report. `watch_split` asks
after every batch (a multinomial e-process): it may act by itself, because its false alarms stay under alpha however
often it is asked. Both take the weights per stratum (epoch, segment, batch of a bandit), so that a changed allocation
is no mismatch. An arm of weight zero has no expected count and no part in the degrees of freedom: a single unit in it
is a failure of its own.

Rejected: adding up one chi-square per epoch (many epochs drown a steady drift in degrees of freedom); a sequential test
that starts anew in each epoch (it forgets what it has learnt).
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray
from scipy import special

from offerlab.errors import InvalidInput, InvalidPlan
from offerlab.stats.multiplicity import check_alpha, holm
from offerlab.stats.wald import wald_test

Floats = NDArray[np.float64]

ALARM = 0.001
WARNING = 0.01
SMALLEST_DEVIATION = 0.001
SMALLEST_EXPECTED = 5.0
CONCENTRATIONS = (100.0, 1_000.0, 10_000.0)

State = Literal["pass", "look", "stop", "not_yet"]


class SplitCheck(Struct, frozen=True):
    """The counts of one split against their weights.

    Attributes:
        state: `stop` (mismatch: hide the effects), `look` (p under the warning level), `pass`, or `not_yet` (an arm
            with fewer than five expected units: the test says nothing so far).
        observed, expected: units per arm, summed over the strata, in the order given.
        strays: units in arms whose weight was zero; any makes the state `stop`.
        deviation: largest |observed / expected - 1| among the arms with weight.
        statistic, degrees, p_value: the chi-square test; None while `not_yet`.
    """

    state: State
    observed: tuple[int, ...]
    expected: tuple[float, ...]
    strays: int
    deviation: float
    statistic: float | None
    degrees: int
    p_value: float | None

    @property
    def is_ok(self) -> bool:
        """Nothing here vetoes the report."""
        return self.state != "stop"


def check_split(
    observed: ArrayLike,
    weights: ArrayLike,
    *,
    alarm: float = ALARM,
    warning: float = WARNING,
    smallest_deviation: float = SMALLEST_DEVIATION,
) -> SplitCheck:
    """Chi-square test of the counts of one experiment (or segment) at one look.

    With several strata the deviations are added up before they are squared, in the metric of their joint covariance
    sum_e n_e (diag(w_e) - w_e w_e'): one stratum gives Pearson's statistic, many keep its degrees of freedom.

    Args:
        observed: units per arm, shape (arms,) or (strata, arms).
        weights: planned shares, same shape or (arms,) for all strata; each row is scaled to sum 1. Zero means that
            nobody may be there.
        alarm: level of p for `stop`.
        warning: level of p for `look`.
        smallest_deviation: `stop` also needs one arm to deviate by this share of its expected count: with millions of
            units a difference that cannot matter is significant.

    Raises:
        InvalidPlan: weights negative, all zero, or not fitting the counts; a level outside (0, 1).
        InvalidInput: counts negative or not whole.

    Sources:
        Pearson (1900), Phil. Mag. 50, 157-175. Levels and smallest deviation: Fabijan et al. (KDD 2019).
    """
    check_alpha(alarm)
    check_alpha(warning)
    counts, shares = _check_strata(observed, weights)
    totals = counts.sum(axis=1, keepdims=True)
    strays = int(counts[shares == 0.0].sum())
    entered = np.where(shares > 0.0, counts, 0.0)
    entered_totals = entered.sum(axis=1)
    expected = entered_totals @ shares
    weighted = shares.sum(axis=0) > 0.0
    deviation, statistic, degrees, p_value = 0.0, None, max(int(weighted.sum()) - 1, 0), None
    if totals.sum() and expected[weighted].min() > 0.0:
        deviation = float(np.max(np.abs(entered.sum(axis=0)[weighted] / expected[weighted] - 1)))
    if degrees and expected[weighted].min() >= SMALLEST_EXPECTED:
        test = wald_test(entered.sum(axis=0) - expected, _covariance(entered_totals, shares))
        statistic, degrees, p_value = test.statistic, test.degrees, test.p_value
    return SplitCheck(
        state=_judge(strays, p_value, alarm=alarm, warning=warning, large=deviation >= smallest_deviation),
        observed=tuple(int(n) for n in counts.sum(axis=0)),
        expected=tuple(float(n) for n in expected),
        strays=strays,
        deviation=deviation,
        statistic=statistic,
        degrees=degrees,
        p_value=p_value,
    )


class SegmentSplits(Struct, frozen=True):
    """One split check per segment, and whether any fails after correction for their number.

    Attributes:
        checks: one per segment, uncorrected.
        p_values_adjusted: Holm's; None where a segment is `not_yet`.
        is_ok: no segment has strays or an adjusted p-value under the alarm level.
    """

    checks: tuple[SplitCheck, ...]
    p_values_adjusted: tuple[float | None, ...]
    is_ok: bool


def check_splits(observed: Sequence[ArrayLike], weights: Sequence[ArrayLike], *, alarm: float = ALARM) -> SegmentSplits:
    """Chi-square tests of several segments, corrected for their number (Holm).

    Args:
        observed: per segment, what `check_split` takes.
        weights: per segment likewise.
        alarm: familywise level over all segments.
    """
    checks = tuple(check_split(n, w, alarm=alarm) for n, w in zip(observed, weights, strict=True))
    adjusted = holm([np.nan if c.p_value is None else c.p_value for c in checks])
    failing = (adjusted < alarm) & np.array([c.deviation >= SMALLEST_DEVIATION for c in checks], dtype=np.bool_)
    return SegmentSplits(
        checks=checks,
        p_values_adjusted=tuple(None if np.isnan(p) else float(p) for p in adjusted),
        is_ok=not failing.any() and not any(c.strays for c in checks),
    )


def watch_split(observed: ArrayLike, weights: ArrayLike, *, concentrations: Sequence[float] = CONCENTRATIONS) -> Floats:
    """p-values that may be read after every batch: the chance that any of them ever falls below alpha is at most alpha.

    A Bayes factor of the multinomial with Dirichlet prior alpha = k w against the planned w, read as an e-process and
    averaged over several k (small k finds a broken split at once, large k a slow drift; an average of e-processes is
    one). A batch with other weights keeps what earlier batches have taught: its prior is tilted by the ratio of
    posterior to expected counts so far, which is known before the batch arrives, so the product stays valid.

    Args:
        observed: new units per arm in each batch (day, epoch), in order of time, shape (batches, arms).
        weights: shares in force during each batch, same shape or (arms,).
        concentrations: the k. One value gives Lindon and Malek's test as published.

    Returns:
        Shape (batches,): smallest p-value so far; it never rises. Zero from the first unit in an arm of weight zero.

    Raises:
        InvalidPlan, InvalidInput: as `check_split`; a concentration not positive.

    Source:
        Lindon & Malek (2022), NeurIPS 35, Anytime-valid inference for multinomial count data, section 2.
    """
    if not concentrations or min(concentrations) <= 0.0:
        raise InvalidPlan("a concentration is positive, and there is at least one", field="concentrations")
    counts, shares = _check_strata(observed, weights)
    evidence = np.stack([_log_e_values(counts, shares, k) for k in concentrations])
    log_e = special.logsumexp(evidence, axis=0) - np.log(len(concentrations))
    return np.exp(-np.maximum.accumulate(np.maximum(log_e, 0.0)))


def _log_e_values(counts: Floats, shares: Floats, concentration: float) -> Floats:
    """Cumulative log Bayes factor after each batch."""
    strays = np.cumsum(np.where(shares == 0.0, counts, 0.0).sum(axis=1))
    entered = np.where(shares > 0.0, counts, 0.0)
    totals = entered.sum(axis=1)
    seen_before = np.cumsum(totals) - totals
    observed_before = np.cumsum(entered, axis=0) - entered
    expected = totals[:, np.newaxis] * shares
    expected_before = np.cumsum(expected, axis=0) - expected
    prior = concentration * expected_before / np.maximum(seen_before, 1.0)[:, np.newaxis]
    known = expected_before > 0.0
    tilt = np.where(known, (prior + observed_before) / np.where(known, prior + expected_before, 1.0), 1.0)
    tilted = shares * tilt
    alpha = (concentration + seen_before)[:, np.newaxis] * tilted / tilted.sum(axis=1, keepdims=True)
    positive = shares > 0.0
    safe = np.where(positive, alpha, 1.0)
    per_arm = (
        special.gammaln(safe + entered) - special.gammaln(safe) - special.xlogy(entered, np.where(positive, shares, 1))
    )
    whole = concentration + seen_before
    steps = np.where(positive, per_arm, 0.0).sum(axis=1) - (special.gammaln(whole + totals) - special.gammaln(whole))
    return np.where(strays > 0.0, np.inf, np.cumsum(steps))


def _covariance(totals: Floats, shares: Floats) -> Floats:
    """Of the counts per arm, summed over the strata: sum_e n_e (diag(w_e) - w_e w_e')."""
    return np.asarray(np.diag(totals @ shares) - (shares * totals[:, np.newaxis]).T @ shares, dtype=np.float64)


def _judge(strays: int, p_value: float | None, *, alarm: float, warning: float, large: bool) -> State:
    if strays or (p_value is not None and p_value < alarm and large):
        return "stop"
    if p_value is None:
        return "not_yet"
    return "look" if p_value < warning else "pass"


def _check_strata(observed: ArrayLike, weights: ArrayLike) -> tuple[Floats, Floats]:
    """Counts and shares as (strata, arms), each row of shares summing to one."""
    counts = np.atleast_2d(np.asarray(observed, dtype=np.float64))
    raw = np.asarray(weights, dtype=np.float64)
    if raw.shape[-1:] != counts.shape[-1:] or raw.ndim > counts.ndim or raw.shape[:-1] not in ((), counts.shape[:-1]):
        raise InvalidPlan(f"weights of shape {raw.shape} do not fit counts of shape {counts.shape}", field="weights")
    if not (np.isfinite(raw).all() and (raw >= 0.0).all() and (raw.sum(axis=-1) > 0.0).all()):
        raise InvalidPlan("weights are not negative, and not all zero", field="weights")
    if not (np.isfinite(counts).all() and (counts >= 0.0).all() and (counts == np.floor(counts)).all()):
        raise InvalidInput("counts are whole and not negative", field="observed")
    shares = np.broadcast_to(raw / raw.sum(axis=-1, keepdims=True), counts.shape)
    return counts, shares
