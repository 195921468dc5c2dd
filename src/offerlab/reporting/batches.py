"""From the batches so far to the next shares of an allocation that follows the results.

An arm's level is its mean within each batch, weighted by the batches' customers of all arms: so an arm is not judged by
the days on which it happened to be large, nor by customers whose windows are younger than the other arm's.
"""

from typing import Final

import numpy as np

from offerlab.domain.adaptive import Adaptive
from offerlab.domain.experiment import Experiment
from offerlab.reporting.cells import Cells
from offerlab.reporting.measures import measure_of
from offerlab.reporting.split import Strata
from offerlab.stats.adaptive import thompson_shares, top_two_shares

FEWEST: Final = 50
"""Customers of every arm before the weights begin to move."""

_SMALLEST: Final = 1e-4


def next_weights(experiment: Experiment, cells: Cells) -> tuple[float, ...] | None:
    """Weights of the next batch for all but the even slice; None while an arm is too small to be judged.

    Args:
        experiment: adaptive, its primary metric a mean or a rate.
        cells: of everything received so far, crossovers included.

    Returns:
        Shares in order of the arms, adding up to 1; with the slice no arm falls below the floor.
    """
    adaptive = experiment.adaptive or Adaptive()
    key = experiment.metrics.primary
    value = measure_of(experiment.metrics, key).numerator
    strata = Strata(experiment, cells.analysed)
    arms = len(experiment.variants)
    if any(strata.arm(i).n < FEWEST for i in range(arms)):
        return None
    batches = [each for each in strata.batches((value,)) if all(float(arm.n) > 1 for arm in each.arms)]
    whole = sum(each.size for each in batches)
    if not whole:
        return None
    means, variances = np.zeros(arms), np.zeros(arms)
    for each in batches:
        share = each.size / whole
        for i, arm in enumerate(each.arms):
            means[i] += share * float(arm.mean[0])
            variances[i] += share**2 * float(arm.variance(0)) / float(arm.n)
    if not np.all(variances > 0.0):
        return None
    better = 1.0 if experiment.metrics.definition(key).better == "up" else -1.0
    floor = max((adaptive.floor - adaptive.uniform / arms) / (1 - adaptive.uniform), _SMALLEST)
    rule = thompson_shares if adaptive.rule == "thompson" else top_two_shares
    found = rule(better * means, variances, floor=floor)
    return tuple(float(share) for share in found)
