"""Experiments with their variants, epochs and changes: loaded and saved whole, guarded by their revision."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, delete, insert, select, update

from offerlab.domain.experiment import Experiment
from offerlab.errors import Conflict
from offerlab.storage.tables import changes, epochs, experiments, variants

_APART: Final = ("id", "key", "status", "revision", "created_at", "variants", "epochs", "changes")
_CHILDREN: Final = ((variants, "variants"), (epochs, "epochs"), (changes, "changes"))


def add(connection: Connection, project_id: int, experiment: Experiment) -> Experiment:
    """Store a new experiment and give it its id."""
    connection.execute(insert(experiments).values(project_id=project_id, **_row(experiment)))
    stored = msgspec.structs.replace(
        experiment,
        id=connection.execute(
            select(experiments.c.id).where(experiments.c.project_id == project_id, experiments.c.key == experiment.key)
        ).scalar_one(),
    )
    _save_children(connection, stored)
    return stored


def save(connection: Connection, experiment: Experiment, *, seen: int) -> None:
    """Store a changed experiment.

    Args:
        connection: a writing one.
        experiment: its new form.
        seen: the revision that the change was made on.

    Raises:
        Conflict: somebody else changed it since.
    """
    done = connection.execute(
        update(experiments)
        .where(experiments.c.id == experiment.id, experiments.c.revision == seen)
        .values(**_row(experiment))
    )
    if done.rowcount != 1:
        raise Conflict(f"experiment {experiment.key!r} was changed by somebody else meanwhile")
    for table, _ in _CHILDREN:
        connection.execute(delete(table).where(table.c.experiment_id == experiment.id))
    _save_children(connection, experiment)


def find(connection: Connection, project_id: int, key: str) -> Experiment | None:
    """The experiment with this key."""
    rows = connection.execute(
        select(experiments).where(experiments.c.project_id == project_id, experiments.c.key == key)
    ).all()
    return next(iter(_assemble(connection, rows)), None)


def everything(connection: Connection, project_id: int, *, archived: bool = True) -> list[Experiment]:
    """All experiments, oldest first."""
    query = select(experiments).where(experiments.c.project_id == project_id).order_by(experiments.c.id)
    if not archived:
        query = query.where(experiments.c.status != "archived")
    return _assemble(connection, connection.execute(query).all())


def _row(experiment: Experiment) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.to_builtins(experiment)
    own = {name: body[name] for name in ("key", "status", "revision", "created_at")}
    return {**own, "body": {name: value for name, value in body.items() if name not in _APART}}


def _save_children(connection: Connection, experiment: Experiment) -> None:
    body: dict[str, Any] = msgspec.to_builtins(experiment)
    number = {"experiment_id": experiment.id}
    for table, name in _CHILDREN:
        rows = [
            {**number, **child} if table is epochs else {**number, "position": i, **child}
            for i, child in enumerate(body[name])
        ]
        if rows:
            connection.execute(insert(table), rows)


def _assemble(connection: Connection, rows: Sequence[Row[Any]]) -> list[Experiment]:
    ids = [row.id for row in rows]
    children = {name: _children(connection, table, ids) for table, name in _CHILDREN}
    return [
        msgspec.convert(
            {
                **row.body,
                **{name: getattr(row, name) for name in ("id", "key", "status", "revision", "created_at")},
                **{name: found[row.id] for name, found in children.items()},
            },
            Experiment,
        )
        for row in rows
    ]


def _children(connection: Connection, table: Any, ids: Iterable[int]) -> dict[int, list[dict[str, Any]]]:  # noqa: ANN401 - one of three tables
    order = table.c.number if table is epochs else table.c.position
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in connection.execute(select(table).where(table.c.experiment_id.in_(list(ids))).order_by(order)).mappings():
        found[row["experiment_id"]].append(
            {str(name): value for name, value in row.items() if name not in ("experiment_id", "position")}
        )
    return found
