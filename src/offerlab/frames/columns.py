"""What a frame holds, as arrays: arms, outcomes, covariates, segments, clusters. Nothing is dropped in silence."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import narwhals.stable.v2 as nw
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from offerlab.errors import InvalidInput

Floats: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.intp]

MOST_VALUES = 20
"""A text with more values than this is no covariate: each value costs a slope."""
FEWEST_PER_VALUE = 10
"""Customers with a value before it gets a column of its own."""


class Labels(Struct, frozen=True, eq=False):
    """A column of labels: the different ones in order, and which one each row has."""

    names: tuple[str, ...]
    codes: Codes


class Crowd(Struct, frozen=True, eq=False):
    """Rows of a frame as arrays.

    Attributes:
        variants: control first, then the others in alphabetical order.
        arm: each row's variant.
        values: outcome columns, finite.
        known: what was known before exposure: by column name the numeric columns that it becomes, names and values.
        segments: one label per row; null without segments.
        clusters: who each row belongs to; null where each row is a customer.
    """

    variants: tuple[str, ...]
    arm: Codes
    values: dict[str, Floats]
    known: dict[str, tuple[tuple[str, Floats], ...]]
    segments: Labels | None
    clusters: Codes | None

    @property
    def customers(self) -> int:
        """How many were randomised."""
        return self.arm.size if self.clusters is None else np.unique(self.clusters).size


def read_columns(frame: Any, names: Iterable[str]) -> nw.DataFrame[Any]:  # noqa: ANN401 - any data frame
    """The named columns of any frame, in memory.

    Args:
        frame: pandas, Polars, Arrow, DuckDB, Spark or anything else Narwhals knows; or a mapping from names to arrays.
        names: of the columns wanted.

    Raises:
        InvalidInput: no frame, or a column that it does not have.
    """
    wanted = list(dict.fromkeys(names))
    if isinstance(frame, Mapping):
        return _from_mapping(frame, wanted)
    try:
        native = nw.from_native(frame)
    except TypeError as error:
        raise InvalidInput(f"A {type(frame).__name__} is no data frame.", field="frame") from error
    _require(wanted, native.collect_schema().names())
    chosen = native.select(wanted)
    return chosen.collect() if isinstance(chosen, nw.LazyFrame) else chosen


def gather(
    frame: Any,  # noqa: ANN401 - any data frame
    *,
    variant: str,
    control: str,
    outcomes: Sequence[str],
    covariates: Sequence[str],
    segment: str | None,
    cluster: str | None,
) -> Crowd:
    """A frame's rows as arrays.

    Raises:
        InvalidInput: a column is missing, holds what is no number, or has gaps where every customer needs a value; the
            control is no variant; a customer (cluster) is in two variants.
    """
    extra = [name for name in (segment, cluster) if name is not None]
    table = read_columns(frame, [variant, *outcomes, *covariates, *extra])
    arms = labels(table[variant])
    if control not in arms.names:
        raise InvalidInput(f"No row has the variant {control!r}; there are {', '.join(arms.names)}.", field="control")
    if len(arms.names) < 2:  # noqa: PLR2004 - a comparison
        raise InvalidInput(f"Every row has the variant {control!r}: there is nothing to compare.", field="variant")
    order = (control, *(name for name in arms.names if name != control))
    arm = np.array([order.index(name) for name in arms.names], dtype=np.intp)[arms.codes]
    clusters = None if cluster is None else labels(table[cluster]).codes
    if clusters is not None:
        _refuse_crossovers(clusters, arm)
    return Crowd(
        order,
        arm,
        {name: numbers(table[name]) for name in outcomes},
        {name: known_before(table[name]) for name in covariates},
        None if segment is None else labels(table[segment], gaps="none"),
        clusters,
    )


def labels(column: "nw.Series[Any]", *, gaps: str | None = None) -> Labels:
    """A column as labels, sorted; `gaps` names the rows without one, which are refused otherwise.

    Raises:
        InvalidInput: a row without a label.
    """
    missing = _missing(column)
    if missing.any() and gaps is None:
        raise InvalidInput(f"{missing.sum():,} rows have no {column.name!r}.", field=column.name)
    given = column.to_list()
    texts = np.array([str(gaps) if gone else _text(one) for one, gone in zip(given, missing, strict=True)])
    names, codes = np.unique(texts, return_inverse=True) if texts.size else (texts, np.zeros(0, dtype=np.intp))
    return Labels(tuple(names.tolist()), codes.astype(np.intp))


def numbers(column: "nw.Series[Any]") -> Floats:
    """A column of numbers or truth values, none missing.

    Raises:
        InvalidInput: texts, or a value that is missing or infinite.
    """
    found = _plain(column)
    gaps = int(np.count_nonzero(~np.isfinite(found)))
    if gaps:
        told = f"{gaps:,} rows have no finite {column.name!r}; a customer who did nothing counts as 0: fill it in."
        raise InvalidInput(told, field=column.name)
    return found


def known_before(column: "nw.Series[Any]") -> tuple[tuple[str, Floats], ...]:
    """The numeric columns of a covariate: itself with zeros in its gaps, and whether it was missing; or its values.

    Raises:
        InvalidInput: a text with too many values.
    """
    if not (column.dtype.is_numeric() or column.dtype == nw.Boolean):
        return _dummies(column)
    found = _plain(column)
    gaps = ~np.isfinite(found)
    kept = (column.name, np.where(gaps, 0.0, found))
    return (kept, (f"{column.name}?", gaps.astype(np.float64))) if gaps.any() else (kept,)


def _dummies(column: "nw.Series[Any]") -> tuple[tuple[str, Floats], ...]:
    """One column per value but the most frequent; rare values stay with it."""
    found = labels(column, gaps="(none)")
    if len(found.names) > MOST_VALUES:
        told = f"{column.name!r} has {len(found.names):,} different texts; a covariate has at most {MOST_VALUES}."
        raise InvalidInput(told, field=column.name)
    counts = np.bincount(found.codes, minlength=len(found.names))
    told_apart = [i for i in range(len(found.names)) if i != int(counts.argmax()) and counts[i] >= FEWEST_PER_VALUE]
    return tuple((f"{column.name}={found.names[i]}", (found.codes == i).astype(np.float64)) for i in told_apart)


def _plain(column: "nw.Series[Any]") -> Floats:
    if not (column.dtype.is_numeric() or any(column.dtype == kind for kind in (nw.Boolean, nw.Unknown, nw.Object))):
        raise InvalidInput(f"{column.name!r} holds {column.dtype}, not numbers.", field=column.name)
    try:
        whole = np.asarray(column.to_numpy(), dtype=np.float64)
    except (TypeError, ValueError):
        try:
            whole = np.array([np.nan if one is None else float(one) for one in column.to_list()], dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"{column.name!r} holds what is no number.", field=column.name) from error
    return whole


def _missing(column: "nw.Series[Any]") -> NDArray[np.bool_]:
    return np.asarray(column.is_null().to_numpy(), dtype=np.bool_)


def _text(value: object) -> str:
    """A label as a person would write it: 1.0 (a whole number that met a gap) is 1."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _refuse_crossovers(clusters: Codes, arm: Codes) -> None:
    both = np.unique(np.column_stack([clusters, arm]), axis=0)
    crossed = both.shape[0] - np.unique(clusters).size
    if crossed:
        told = f"{crossed:,} clusters have rows in more than one variant: leave them out, and count them."
        raise InvalidInput(told, field="cluster")


def _from_mapping(frame: Mapping[str, Any], wanted: Sequence[str]) -> nw.DataFrame[Any]:
    import pandas as pd  # noqa: PLC0415 - only a mapping needs a frame made for it

    _require(wanted, list(frame))
    columns = {name: np.asarray(frame[name]) for name in wanted}
    if len({column.shape for column in columns.values()}) > 1 or any(column.ndim != 1 for column in columns.values()):
        shapes = ", ".join(f"{name} {column.shape}" for name, column in columns.items())
        raise InvalidInput(f"The columns are not equally long: {shapes}.", field="frame")
    return nw.from_native(pd.DataFrame(columns), eager_only=True)


def _require(wanted: Sequence[str], given: Sequence[str]) -> None:
    absent = [name for name in wanted if name not in given]
    if absent:
        raise InvalidInput(
            f"There is no column {absent[0]!r}; there are {', '.join(map(str, given))}.", field=absent[0]
        )
