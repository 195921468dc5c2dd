"""An allocation that follows the results: how often, how far, and what stays as it is."""

from typing import Final, Literal

from msgspec import Struct

from offerlab.errors import InvalidDefinition, InvalidPlan

MOST_HOURS: Final = 30 * 24


class Adaptive(Struct, frozen=True, kw_only=True):
    """Weights that move towards the arms that look better, a batch at a time.

    Attributes:
        rule: whether the best arm gets most (`thompson`), or best and second best share (`top_two`: told apart sooner;
            of two arms each would always get half).
        floor: smallest share of any arm.
        uniform: share of customers who are split evenly for ever, whatever the results: the same customers throughout.
        every_hours: between two batches.
    """

    rule: Literal["top_two", "thompson"] = "thompson"
    floor: float = 0.05
    uniform: float = 0.1
    every_hours: int = 24


def check_adaptive(adaptive: Adaptive, *, arms: int, kind: str, sequential: str, segmented: bool) -> None:
    """Refuse an adaptive allocation that could not be read afterwards.

    Args:
        adaptive: as asked for.
        arms: how many the experiment has.
        kind: of the primary metric.
        sequential: rule of the plan.
        segmented: whether segments have shares of their own.

    Raises:
        InvalidDefinition, InvalidPlan: names the field at fault.
    """
    if arms < 2:  # noqa: PLR2004 - a choice needs two arms
        raise InvalidDefinition("an allocation that follows results has two arms or more", field="variants")
    if adaptive.rule == "top_two" and arms < 3:  # noqa: PLR2004 - a leader, and two who may challenge it
        raise InvalidPlan("of two arms, top_two gives each half for ever; thompson follows them", field="adaptive.rule")
    if not 0 < adaptive.floor <= 1 / arms:
        raise InvalidPlan(f"a floor of {adaptive.floor} is outside (0, {1 / arms:.4g}]", field="adaptive.floor")
    if not 0 < adaptive.uniform < 1:
        raise InvalidPlan(f"a uniform share of {adaptive.uniform} is outside (0, 1)", field="adaptive.uniform")
    if not 1 <= adaptive.every_hours <= MOST_HOURS:
        raise InvalidPlan(f"{adaptive.every_hours} hours are outside 1 to {MOST_HOURS}", field="adaptive.every_hours")
    if kind not in ("mean", "proportion"):
        raise InvalidDefinition(
            f"weights that follow results need a mean or a rate as primary metric, not a {kind}",
            field="metrics.primary",
        )
    if sequential == "fixed":
        raise InvalidPlan(
            "weights that follow results are looked at with every batch: one fixed reading does not hold for them",
            field="analysis.sequential",
        )
    if segmented:
        raise InvalidDefinition("weights that follow results are one set for all segments", field="allocation")
