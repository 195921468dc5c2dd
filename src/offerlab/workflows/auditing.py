"""The audit log as it is read: who did what, newest first, and whether its chain still holds."""

from offerlab.storage import audit
from offerlab.storage.audit import Deed
from offerlab.storage.database import reading
from offerlab.workflows.runtime import Runtime

__all__ = ["Deed", "broken_at", "deeds"]


def deeds(runtime: Runtime, project_id: int, *, limit: int, before: int | None = None) -> list[tuple[int, Deed]]:
    """The latest deeds with their row numbers, newest first; `before` a row."""
    with reading(runtime.engine) as connection:
        return audit.newest(connection, project_id, limit=limit, before=before)


def broken_at(runtime: Runtime, project_id: int) -> int | None:
    """The first row that does not follow from the one before it; None where all do. Reads the whole log."""
    with reading(runtime.engine) as connection:
        return audit.first_broken(connection, project_id)
