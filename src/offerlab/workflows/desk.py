"""Who acts on which project, and the transaction they act in."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection

from offerlab.errors import ApprovalNeeded, Conflict
from offerlab.storage import audit, projects
from offerlab.storage.database import writing
from offerlab.workflows.runtime import Runtime

T = TypeVar("T")


class Desk:
    """One person's work on one project: a runtime, whose project, and who acts."""

    def __init__(self, runtime: Runtime, project_id: int, actor: str) -> None:
        self.runtime = runtime
        self.project_id = project_id
        self.actor = actor
        self._open: Connection | None = None

    @contextmanager
    def change(self) -> Generator[Connection]:
        """A transaction that changes decisions: afterwards every replica knows, this one at once.

        One at a time in a project, on whatever replica: what is checked beside others (slots of a layer, the end of the
        audit log) is still so when it is stored.

        Inside an open one it is the same transaction: several verbs stand or fall together. A proposal stands although
        the verb is refused: `ApprovalNeeded` leaves after the transaction has ended well.
        """
        if self._open is not None:
            yield self._open
            return
        waits: ApprovalNeeded | None = None
        with writing(self.runtime.engine) as connection:
            projects.hold(connection, self.project_id)
            self._open = connection
            try:
                yield connection
            except ApprovalNeeded as error:
                waits = error
            finally:
                self._open = None
            projects.raise_version(connection, self.project_id)
        self.runtime.refresh()
        if waits is not None:
            raise waits

    def log(self, connection: Connection, action: str, name: str, before: Any = None, after: Any = None) -> None:  # noqa: ANN401 - any struct
        """Write one line of the audit log."""
        deed = audit.Deed(
            at=self.runtime.now(),
            actor=self.actor,
            action=action,
            object=name,
            before=msgspec.to_builtins(before),
            after=msgspec.to_builtins(after),
        )
        audit.append(connection, self.project_id, deed)


def same_or_conflict(known: T, sent: T, what: str) -> T:
    """What stands there already, if it was sent again unchanged.

    Raises:
        Conflict: it was sent with other settings.
    """
    if known != sent:
        raise Conflict(f"{what} exists with other settings")
    return known
