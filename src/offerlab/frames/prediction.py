"""`offerlab.learn`: what earlier customers teach about an outcome, as a covariate for the next experiment."""

from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from offerlab.errors import InvalidInput
from offerlab.frames.columns import labels, numbers, read_columns
from offerlab.stats.boosting import Forest, learn_forest, predict
from offerlab.stats.capping import capped, pooled_cap

Floats = NDArray[np.float64]


class Predictor(Struct, frozen=True, eq=False):
    """A prediction of one outcome, fixed before the experiment that uses it.

    Attributes:
        outcome: what was learnt.
        features: the columns that it looks at.
        levels: per feature, the mean outcome of each of its texts; empty for numbers.
        forest: the trees.
        rows: how many taught it.
    """

    outcome: str
    features: tuple[str, ...]
    levels: tuple[dict[str, float], ...]
    forest: Forest
    rows: int

    def predict(self, frame: Any) -> Floats:  # noqa: ANN401 - any data frame
        """One prediction per row, to be put into the experiment's frame as a column.

        Args:
            frame: as `offerlab.analyze` takes; it needs the features, as they were known before exposure.

        Raises:
            InvalidInput: a feature is missing or holds what it did not hold before.
        """
        table = read_columns(frame, self.features)
        columns = [_encoded(table[name], levels) for name, levels in zip(self.features, self.levels, strict=True)]
        return predict(self.forest, np.column_stack(columns))

    def __repr__(self) -> str:
        """In a line."""
        return f"prediction of {self.outcome} from {', '.join(self.features)}, learnt on {self.rows:,} rows"


def learn(
    frame: Any,  # noqa: ANN401 - any data frame
    outcome: str,
    features: Sequence[str],
    *,
    cap: float | None = 0.99,
    trees: int = 150,
) -> Predictor:
    """Learn to predict an outcome from windows that ended before the experiment began.

    Put `predict`'s answer into the experiment's frame and name it first among the covariates: what it explains is noise
    no more. It cannot bias the comparison, because it was fixed before anybody was assigned.

    Args:
        frame: one row per customer and earlier window: features known at the window's start, the outcome in it.
        outcome: column to predict, in a window as long as the experiment's.
        features: columns known before; numbers (gaps allowed) or texts.
        cap: share of the non-zero outcomes that stay as they are, so that no giant teaches alone; None for none.
        trees: of the forest.

    Returns:
        The predictor.

    Raises:
        InvalidInput: a column is missing, or the outcome is among the features or has gaps.

    Source:
        Deng et al. (2013) for the covariate; Li, Tang & Bauman (2020), "Improving Experimental Power through Control
        Using Predictions as Covariate", DoorDash, for the prediction.

    Examples:
        >>> import offerlab
        >>> before = offerlab.simulate(customers=5_000, seed=1).frame  # an earlier window's customers
        >>> model = offerlab.learn(before, "revenue", ["pre_revenue", "pre_orders"])
        >>> model
        prediction of revenue from pre_revenue, pre_orders, learnt on 10,000 rows
        >>> crowd = offerlab.simulate(customers=5_000, seed=2).frame
        >>> crowd["predicted"] = model.predict(crowd)
        >>> metric = offerlab.Mean("revenue", covariates=["predicted", "pre_revenue"])
        >>> said = offerlab.analyze(crowd, variant="arm", control="control", metrics=metric).effect("revenue")
        >>> f"{said.saved:.0%}"
        '17%'
    """
    chosen = tuple(features)
    if outcome in chosen or not chosen:
        raise InvalidInput("Give at least one feature, and not the outcome itself.", field="features")
    table = read_columns(frame, [outcome, *chosen])
    y = numbers(table[outcome])
    if cap is not None:
        y = capped(y, pooled_cap(y, share=cap))
    levels = tuple(_levels(table[name], y) for name in chosen)
    x = np.column_stack([_encoded(table[name], own) for name, own in zip(chosen, levels, strict=True)])
    return Predictor(outcome, chosen, levels, learn_forest(x, y, trees=trees), y.size)


def _is_number(column: "nw.Series[Any]") -> bool:
    return column.dtype.is_numeric() or column.dtype == nw.Boolean


def _levels(column: "nw.Series[Any]", y: Floats) -> dict[str, float]:
    """The mean outcome of each text: a tree then cuts between the texts that spend little and much."""
    if _is_number(column):
        return {}
    found = labels(column, gaps="(none)")
    means = np.bincount(found.codes, weights=y) / np.bincount(found.codes)
    return dict(zip(found.names, means.tolist(), strict=True))


def _encoded(column: "nw.Series[Any]", levels: dict[str, float]) -> Floats:
    """Numbers with NaN in their gaps; texts as the mean that was learnt, NaN for one never seen."""
    if levels:
        found = labels(column, gaps="(none)")
        return np.array([levels.get(name, np.nan) for name in found.names])[found.codes]
    if not _is_number(column):
        raise InvalidInput(f"{column.name!r} held numbers before and holds {column.dtype} now.", field=column.name)
    values = np.array([np.nan if one is None else float(one) for one in column.to_list()], dtype=np.float64)
    return np.where(np.isfinite(values), values, np.nan)
