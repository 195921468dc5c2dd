"""One `serve` per data folder: the lock is the system's and dies with its holder."""

import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from offerlab.errors import Misconfigured

PATIENCE_S: Final = 5.0


@contextmanager
def held(folder: Path) -> Generator[None]:
    """Hold the folder's lock for the block, waiting up to five seconds for a holder that is going down.

    Raises:
        Misconfigured: another process holds it; the message says which.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as file:
        _acquire(file.fileno(), folder)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            fcntl.flock(file.fileno(), fcntl.LOCK_UN)


def _acquire(descriptor: int, folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                holder = (folder / "lock").read_text().strip() or "unknown"
                raise Misconfigured(f"{folder} is in use by process {holder}") from None
            time.sleep(0.05)
        else:
            return
