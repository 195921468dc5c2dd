"""What the service does by itself, without being asked: purge by retention once a day, mine matches on schedule."""

from typing import Final

from sqlalchemy import text

from offerlab.domain.clock import DAY
from offerlab.storage.database import reading
from offerlab.workflows import matching, privacy
from offerlab.workflows.desk import Desk
from offerlab.workflows.rounds import Rounds
from offerlab.workflows.runtime import Runtime

ACTOR: Final = "housekeeping"
EVERY_S: Final = 600.0


class Housekeeper(Rounds):
    """Looks every ten minutes what is due.

    Args:
        runtime: the process's state.
    """

    def __init__(self, runtime: Runtime) -> None:
        super().__init__("housekeeping", every_s=EVERY_S)
        self._runtime = runtime

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
