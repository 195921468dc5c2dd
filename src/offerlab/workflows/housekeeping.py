"""What the service does by itself, without being asked: purge by retention once a day, mine matches on schedule."""

import logging
import threading
from typing import Final

from sqlalchemy import text

from offerlab.domain.clock import DAY
from offerlab.errors import OfferLabError
from offerlab.storage.database import reading
from offerlab.workflows import matching, privacy
from offerlab.workflows.desk import Desk
from offerlab.workflows.runtime import Runtime

ACTOR: Final = "housekeeping"
EVERY_S: Final = 600.0
_log: Final = logging.getLogger(__name__)


class Housekeeper:
    """A thread that looks every ten minutes what is due. What fails is logged and tried at the next look."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="offerlab-housekeeping", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Finish what is under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> list[str]:
        """Do what is due now, for every project; what was done."""
        done: list[str] = []
        for project in self._runtime.projects():
            desk, now = Desk(self._runtime, project.id, ACTOR), self._runtime.now()
            if self._purge_due(project.id, now):
                privacy.purge(desk)
                done.append("purge")
            asked = matching.is_due(self._runtime, project.id, now)
            if asked is not None:
                matching.rebuild(desk, days=asked["days"], periods=asked["periods"])
                done.append("rebuild")
        return done

    def _purge_due(self, project_id: int, now: int) -> bool:
        sql = text("SELECT max(at) FROM audit WHERE project_id = :project AND action = 'purge'")
        with reading(self._runtime.engine) as connection:
            last = connection.execute(sql, {"project": project_id}).scalar_one()
        return last is None or now - int(last) >= DAY

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            try:
                self.look()
            except OfferLabError:
                _log.exception("housekeeping failed; it is tried again")
            except Exception:  # noqa: BLE001 - whatever it is, the next look must come
                _log.exception("housekeeping failed unforeseen; it is tried again")
