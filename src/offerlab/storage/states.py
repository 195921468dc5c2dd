"""The one read of a decision: a customer's state by the vault's key, in prepared SQL on a kept connection."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

from offerlab.domain.customer import NOBODY, Assignment, CustomerState, Profile
from offerlab.storage.database import translated
from offerlab.storage.identity import united

_PROFILES: Final = msgspec.msgpack.Decoder(Profile)

_SQL: Final = """
WITH asked AS (SELECT root, digest FROM vault WHERE project_id = :project AND digest = :digest),
members AS (
  SELECT k.digest, w.root, w.customer FROM asked k JOIN vault w ON w.customer = k.root AND w.root = w.customer
  UNION ALL
  SELECT k.digest, w.root, w.customer FROM asked k JOIN vault w ON w.root = k.root AND w.root <> w.customer
)
SELECT m.root, m.customer, p.body, a.experiment_id, a.variant, a.epoch, a.segment, a.bucket, a.propensity, a.exposed_at
FROM members m
LEFT JOIN profiles p ON p.customer = m.customer
LEFT JOIN assignments a ON a.customer = m.customer
"""
"""Every id that was linked to this one counts: a person who logs in keeps profile and arm. An id that counts under its
own number is found by that, all others by the index of those that were linked."""

_KNOWN_SQL: Final = "SELECT 1 FROM vault WHERE project_id = ? AND digest = ?"

_MANY_SQL: Final = _SQL.replace("a.exposed_at\n", "a.exposed_at, m.digest\n").replace("= :digest", "= ANY(:digests)")


class EmbeddedStates:
    """Reads from SQLite on the caller's thread: a look-up by key in a local file takes microseconds.

    Args:
        engine: whose file is opened, read-only.
    """

    def __init__(self, engine: Engine) -> None:
        path = make_url(engine.url).database or ""
        address = f"{Path(path).absolute().as_uri()}?mode=ro"
        self._connection = sqlite3.connect(address, uri=True, check_same_thread=False, isolation_level=None)

    def read(self, project_id: int, digest: bytes) -> CustomerState:
        """The state of a customer; `NOBODY` for a stranger.

        Raises:
            sqlite3.Error: the file can't be read.
        """
        execute = self._connection.execute
        if execute(_KNOWN_SQL, (project_id, digest)).fetchone() is None:
            return NOBODY
        with closing(execute(_SQL, {"project": project_id, "digest": digest})) as cursor:
            return _state(cursor.fetchall())

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class ServerStates:
    """Reads from a database server; the caller bounds how long it waits.

    Args:
        engine: whose pool is used.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._statement = text(_SQL)
        self._many = text(_MANY_SQL)

    def read(self, project_id: int, digest: bytes) -> CustomerState:
        """The state of a customer; `NOBODY` for a stranger.

        Raises:
            Unavailable: the store can't be reached.
        """
        with translated(), self._engine.connect() as connection:
            rows = connection.execute(self._statement, {"project": project_id, "digest": digest}).all()
        return _state(cast("list[Any]", rows))

    def read_many(self, project_id: int, digests: Sequence[bytes]) -> dict[bytes, CustomerState]:
        """The states of many customers by digest, strangers among them.

        Raises:
            Unavailable: the store can't be reached.
        """
        with translated(), self._engine.connect() as connection:
            rows = connection.execute(self._many, {"project": project_id, "digests": list(digests)}).all()
        found: dict[bytes, list[Any]] = {}
        for row in rows:
            found.setdefault(bytes(row[-1]), []).append(row)
        return {digest: _state(found.get(digest, [])) for digest in digests}

    def close(self) -> None:
        """Nothing of its own to close."""


def _state(rows: list[Any]) -> CustomerState:
    if not rows:
        return NOBODY
    root = rows[0][0]
    found: dict[int, CustomerState] = {}
    for row in rows:
        state = found.get(row[1])
        if state is None:
            profile = NOBODY.profile if row[2] is None else _PROFILES.decode(row[2])
            state = found[row[1]] = CustomerState(number=row[1], profile=profile, assignments={})
        if row[3] is not None:
            state.assignments[row[3]] = Assignment(*row[3:10])
    return united(root, list(found.values()))
