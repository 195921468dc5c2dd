"""Broken twins of the service, each with one fault that a proof must find.

python twins.py FAULT serve …
"""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace
from sqlalchemy import update

from offerlab import cli, server
from offerlab.storage import database, events, experiments, projects, tables, writer
from offerlab.storage.events import Appended
from offerlab.workflows import room, serving


def answers_early() -> None:
    """Acknowledges what is only queued."""
    queued = writer.Writer.submit

    def submit(self: writer.Writer, project: Any, batch: Any, rejections: Any = ()) -> "asyncio.Future[Appended]":
        queued(self, project, batch, rejections).add_done_callback(lambda done: done.exception())
        early: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()
        early.set_result(Appended(["accepted"] * len(batch)))
        return early

    writer.Writer.submit = submit  # type: ignore[method-assign]  # the fault


def counts_twice() -> None:
    """Takes every copy of an event for a new one."""
    append = events.append
    copies = iter(range(10**9))

    def forgetful(connection: Any, project: Any, batch: Any, **more: Any) -> Appended:
        return append(connection, project, [replace(one, id=f"{one.id}#{next(copies)}") for one in batch], **more)

    events.append = forgetful  # the fault


def never_syncs() -> None:
    """Leaves acknowledged commits in the machine's memory."""
    pragmas = tuple(one.replace("synchronous = FULL", "synchronous = OFF") for one in database._PRAGMAS)
    setattr(database, "_PRAGMAS", pragmas)  # noqa: B010 - the fault


def never_full() -> None:
    """Takes whatever comes, however much waits."""
    setattr(room, "MOST", 10**12)  # noqa: B010 - the fault
    setattr(writer, "MAX_WAITING", 10**12)  # noqa: B010 - likewise


def starts_twice() -> None:
    """Does not look whether the experiment was changed since it was read."""
    save = experiments.save

    def careless(connection: Any, experiment: Any, *, seen: int) -> None:
        time.sleep(0.5)  # the other one has read it by now
        row = update(tables.experiments).where(tables.experiments.c.id == experiment.id)
        connection.execute(row.values(revision=seen))
        save(connection, experiment, seen=seen)

    projects.hold = unheld  # the fault
    experiments.save = careless


def claims_blindly() -> None:
    """Takes slots of a layer without keeping others from it meanwhile."""
    save = experiments.save

    def slow(connection: Any, experiment: Any, *, seen: int) -> None:
        time.sleep(0.5)  # the other one has read what is free by now
        save(connection, experiment, seen=seen)

    projects.hold = unheld  # the fault
    experiments.save = slow


def unheld(connection: object, project_id: int) -> None:
    """In the place of `projects.hold`: lets everybody change a project at once."""


def waits_for_ever() -> None:
    """Does not end while a store that says nothing holds it."""
    server.END_S = 1e6  # type: ignore[misc]  # the fault


def reads_at_any_price() -> None:
    """Decides only when it knows the customer, however long the store takes to tell."""

    async def patient(self: serving.Serving, snapshot: Any, digest: bytes) -> Any:
        return await asyncio.wrap_future(self._submit(snapshot.project.id, digest))

    serving.Serving._read_in_time = patient  # type: ignore[method-assign]  # the fault


FAULTS: dict[str, Callable[[], None]] = {
    "answers_early": answers_early,
    "claims_blindly": claims_blindly,
    "counts_twice": counts_twice,
    "never_full": never_full,
    "never_syncs": never_syncs,
    "reads_at_any_price": reads_at_any_price,
    "starts_twice": starts_twice,
    "waits_for_ever": waits_for_ever,
}


if __name__ == "__main__":
    FAULTS[sys.argv.pop(1)]()
    cli.main()
