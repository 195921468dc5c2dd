"""What the one writer of an embedded store need not read again.

A customer who sends a second event is looked up in three tables for what the writer itself wrote there a moment ago.
It may go by its memory exactly as long as nobody else commits, and SQLite tells that: `PRAGMA data_version` changes
with every commit of another connection, be it of this process or of a command beside it. On a server with replicas
there is no such sign; a memory is then made for one batch and thrown away.
"""

from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection

from offerlab.domain.customer import CustomerState
from offerlab.storage.database import driver_of

if TYPE_CHECKING:
    from collections.abc import Iterable

States = dict[int, CustomerState]
CAPACITY: Final = 50_000
"""So many customers; beyond it the memory starts anew."""


class Known:
    """Customers by vault digest and by number, and projects without anybody erased or linked.

    Attributes:
        states: by number.
        unerased, unlinked: projects where nobody ever was.
        strangers: numbers given for the batch of this moment.
    """

    def __init__(self) -> None:
        self._numbers: dict[int, dict[bytes, int]] = {}
        self.states: States = {}
        self.unerased: set[int] = set()
        self.unlinked: set[int] = set()
        self.strangers: Iterable[int] = ()
        self._as_of: tuple[object, int] | None = None

    def numbers(self, project_id: int) -> dict[bytes, int]:
        """A project's customers, by vault digest."""
        return self._numbers.setdefault(project_id, {})

    def renew(self, connection: Connection) -> None:
        """Forget everything if anybody else wrote since; inside the writer's transaction, which keeps others out."""
        raw = driver_of(connection)
        version = raw.execute("PRAGMA data_version").fetchone()[0]
        if self._as_of is None or self._as_of[0] is not raw or self._as_of[1] != version:
            self.forget()
            self._as_of = (raw, version)
        elif len(self.states) > CAPACITY or sum(map(len, self._numbers.values())) > CAPACITY:
            self._numbers.clear()
            self.states.clear()

    def forget(self) -> None:
        """Start anew: somebody else wrote, or what was remembered was rolled back."""
        self._numbers.clear()
        self.states.clear()
        self.unerased.clear()
        self.unlinked.clear()
        self._as_of = None
