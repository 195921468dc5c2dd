"""Work that nobody asks for, done again and again in a thread of its own: dates, guardrails, housekeeping.

Every replica makes its rounds; where two find the same thing due, the first to store it wins and the other is told.
"""

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from offerlab.errors import Conflict, OfferLabError, Unavailable

_log: Final = logging.getLogger(__name__)


class Rounds(ABC):
    """A thread that looks what is due. What fails is logged and tried at the next look.

    Args:
        name: of the thread, and in the log.
        every_s: seconds between two looks.
        share: of the time at most that is spent looking; a look that takes long is followed by a longer rest.
        patience_s: how long `close` waits for what is under way; None: until it has ended.
    """

    def __init__(self, name: str, *, every_s: float, share: float = 1.0, patience_s: float | None = None) -> None:
        self._name = name
        self._every_s = every_s
        self._share = share
        self._patience_s = patience_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"offerlab-{name}", daemon=True)

    @abstractmethod
    def look(self) -> list[str]:
        """Do what is due now; what was done."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Let what is under way end, then stop."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(self._patience_s)

    def _run(self) -> None:
        took = 0.0
        while not self._stop.wait(max(self._every_s, took / self._share)):
            began = time.monotonic()
            try:
                self.look()
            except Unavailable:
                _log.warning("%s waits: the store can't be reached", self._name)
            except Exception:  # noqa: BLE001 - whatever it is, the next look must come
                _log.exception("%s stumbled; it looks again", self._name)
            took = time.monotonic() - began


@contextmanager
def apart(key: str, what: str) -> Generator[None]:
    """Keep the trouble of one experiment from all others.

    Another replica's success is no trouble; whatever else goes wrong is logged, so that one bad experiment leaves no
    other unwatched. Only a store that is away ends the round.

    Raises:
        Unavailable: the store can't be reached.
    """
    try:
        yield
    except Conflict as error:
        _log.info("experiment %s: %s", key, error.detail)
    except Unavailable:
        raise
    except OfferLabError as error:
        _log.warning("experiment %s: %s: %s", key, what, error.detail)
    except Exception:  # noqa: BLE001 - the others are looked at all the same
        _log.exception("experiment %s: %s", key, what)
