"""The Bayesian view of an effect, from the very statistic that gives its p-value and ranges."""

from collections.abc import Sequence

from scipy.special import ndtri

from offerlab.domain.metric import Metric
from offerlab.reporting.report import Arm, ArmChance, Bayes, Belief, Interval
from offerlab.reporting.report import Effect as Shown
from offerlab.stats import effect as stats
from offerlab.stats.bayesian import Posterior, lift_evidence, posterior
from offerlab.stats.best_arm import best_arm
from offerlab.stats.prior import FLAT, Prior


def beliefs(metric: Metric, said: stats.Effect, level: float | None, prior: Prior) -> Bayes | None:
    """What to believe of an effect.

    Args:
        metric: whose effect it is.
        said: at the fixed look: the prior has accounted for luck already.
        level: the reference's mean, to turn lifts into the metric's unit.
        prior: of a true lift.
    """
    found = lift_evidence(said)
    if found is None or not level:
        return None
    good = metric.better == "up"
    informed, flat = (
        posterior([found[0]], [found[1]], each, increase_is_good=good, alpha=said.alpha) for each in (prior, FLAT)
    )
    return Bayes(
        prior_sd=prior.sd,
        prior_source=prior.source,
        prior_experiments=prior.experiments,
        informed=_belief(informed, abs(level)),
        flat=_belief(flat, abs(level)),
    )


def _belief(found: Posterior, level: float) -> Belief:
    return Belief(
        lift=Interval(float(found.mean[0]), float(found.lower[0]), float(found.upper[0])),
        chance_to_beat=float(found.chance_to_beat[0]),
        expected_loss=float(found.loss_of_shipping[0]) * level,
        expected_gain=float(found.loss_of_keeping[0]) * level,
    )


def chances(
    metric: Metric, arms: Sequence[Arm], effects: Sequence[Shown], prior: Prior, alpha: float
) -> tuple[ArmChance, ...]:
    """The chance of each arm to be the best, the reference first; empty where an effect can't be said.

    Differences share the reference's noise; that part is split off so that each keeps exactly the error of its test.
    """
    by_name = {arm.variant: arm for arm in arms}
    reference = by_name.get(effects[0].reference) if effects else None
    if reference is None or not reference.mean or not reference.se:
        return ()
    lifts: list[float] = []
    variances: list[float] = []
    shared: list[float] = []
    for each in effects:
        se = by_name[each.variant].se
        flat = None if each.bayes is None else each.bayes.flat.lift
        if flat is None or flat.lower is None or flat.upper is None or not se:
            return ()
        error = (flat.upper - flat.lower) / (2 * -float(ndtri(alpha / 2)))
        lifts.append(flat.estimate)
        variances.append(error**2)
        shared.append(error**2 * reference.se**2 / (reference.se**2 + se**2))
    common = min(shared)
    sign, level = (1.0 if metric.better == "up" else -1.0), abs(reference.mean)
    said = best_arm([0.0, *(sign * x for x in lifts)], [common, *(v - common for v in variances)], prior)
    names = [reference.variant, *(each.variant for each in effects)]
    return tuple(
        ArmChance(name, float(chance), float(loss) * level)
        for name, chance, loss in zip(names, said.chance, said.expected_loss, strict=True)
    )
