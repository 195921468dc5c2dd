"""Broken twins of the service, each with one fault that a proof must find.

python twins.py FAULT serve …
"""

import sys
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from msgspec.structs import replace

from offerlab import cli
from offerlab.storage import database, events, writer
from offerlab.storage.events import Appended


def answers_early() -> None:
    """Acknowledges what is only queued."""
    queued = writer.Writer.submit

    def submit(self: writer.Writer, project: Any, batch: Any, rejections: Any = ()) -> "Future[Appended]":
        queued(self, project, batch, rejections).add_done_callback(lambda done: done.exception())
        early: Future[Appended] = Future()
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


FAULTS: dict[str, Callable[[], None]] = {
    "answers_early": answers_early,
    "counts_twice": counts_twice,
    "never_syncs": never_syncs,
}


if __name__ == "__main__":
    FAULTS[sys.argv.pop(1)]()
    cli.main()
