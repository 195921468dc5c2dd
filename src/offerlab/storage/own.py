"""A connection of the writer's own: it stays open from one commit to the next, and is given up at the first failure.

On a file beside us SQLAlchemy is told of one transaction that lasts as long as the connection, and BEGIN and COMMIT go
to the driver: SQLAlchemy's way to say both takes three times what SQLite takes to do them.
"""

import time
from contextlib import suppress
from typing import Any, Final

from sqlalchemy import Connection, Engine, Transaction

from offerlab.storage.database import BUSY_TIMEOUT_MS, be_patient, be_sparing, driver_of, translated
from offerlab.storage.known import Known

IDLE_S: Final = 1.0
"""A server's connection unused for so long goes back to the pool, which asks whether it still lives."""


class OwnConnection:
    """Writes one transaction after the other; whoever uses it sees to it that nobody else does meanwhile.

    Args:
        engine: the store.

    Attributes:
        known: what its transactions read and wrote; None on a server, where others write as well.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._driver: Any = None
        self._transaction: Transaction | None = None
        self._impatient = False
        self._used_at = 0.0
        self.known = Known() if engine.dialect.name == "sqlite" else None

    def begin(self, *, impatient: bool = False) -> Connection:
        """Begin a transaction.

        Args:
            impatient: whether a file beside us is not waited for while somebody else writes to it.

        Raises:
            Unavailable: the store can't be reached, or stayed locked.
        """
        with translated():
            if self.known is None:
                connection = self._served()
                self._transaction = connection.begin()
            else:
                connection = self._embedded(impatient=impatient)
                self._driver.execute("BEGIN IMMEDIATE")
                self.known.renew(connection)
        return connection

    def commit(self) -> None:
        """What was written since `begin` is on disk when this returns.

        Raises:
            Unavailable: the store refused it, and the connection was given up.
        """
        try:
            with translated():
                if self._transaction is None:
                    self._driver.commit()
                else:
                    self._transaction.commit()
        except BaseException:
            self.let_go()
            raise
        self._transaction = None
        self._used_at = time.monotonic()

    def let_go(self) -> None:
        """Give it up, and what was written since `begin` with it."""
        connection, self._connection = self._connection, None
        self._transaction = self._driver = None
        if self.known is not None:
            self.known.forget()
        if connection is not None:
            with suppress(Exception):  # it is broken, and that was told already
                if self.known is not None:
                    connection.invalidate()  # impatient and sparing: nobody else is to get it from the pool
                connection.close()

    def _served(self) -> Connection:
        if self._connection is not None and time.monotonic() - self._used_at > IDLE_S:
            self.let_go()
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _embedded(self, *, impatient: bool) -> Connection:
        connection = self._connection
        if connection is None:
            connection = self._engine.connect().execution_options(offerlab_begun=True)
            be_sparing(connection)
            connection.begin()
            self._connection, self._driver, self._impatient = connection, driver_of(connection), False
        if impatient is not self._impatient:
            be_patient(connection, 0 if impatient else BUSY_TIMEOUT_MS)
            self._impatient = impatient
        return connection
