"""The demo's stage: its folder, the service on a clock that starts four weeks ago, and a client that speaks to it."""

import shutil
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from offerlab.api.front import Front
from offerlab.app import App, create_app
from offerlab.demo.clock import DemoClock
from offerlab.demo.shop import CURRENCY
from offerlab.domain.clock import DAY, iso, to_micros
from offerlab.errors import Misconfigured
from offerlab.server import DrainingServer
from offerlab.settings import Settings

CUT: Final = datetime(2011, 7, 1, tzinfo=UTC)
"""Orders before are history; baskets of later ones walk into the experiment."""

DAYS: Final = 28
SALT: Final = "0ffe71ab" * 4
"""Fixed, so that every run splits its shoppers alike and shows the same numbers."""

BATCH: Final = 200
_MARK: Final = "offerlab-demo"


class Demo:
    """One run: the service, its clock, a client and what has been learnt on the way."""

    def __init__(self, app: App, clock: DemoClock, url: str, key: str, progress: Progress) -> None:
        self.app = app
        self.clock = clock
        self.url = url
        self.key = key
        self.progress = progress
        self.start = clock.now() - DAYS * DAY
        self.shift = self.start - to_micros(CUT)
        self.client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60)

    def post(self, path: str, body: Any) -> Any:  # noqa: ANN401 - JSON
        """POST that must succeed.

        Raises:
            Misconfigured: the service refused.
        """
        response = self.client.post(path, json=body)
        if response.status_code not in (200, 201):
            raise Misconfigured(f"the demo's {path} was refused: {response.text[:500]}")
        return response.json()

    def track(self, items: Sequence[Any], text: str) -> Iterator[Any]:
        """Go through items behind a progress bar."""
        return iter(self.progress.track(items, description=text))


def order_event(event: str, order: str, customer: str, at: int, lines: list[dict[str, Any]]) -> dict[str, Any]:
    """The body of an order event."""
    return {
        "id": event,
        "type": "order",
        "customer_id": customer,
        "occurred_at": iso(at),
        "order_id": order,
        "currency": CURRENCY,
        "lines": lines,
    }


def send(demo: Demo, events: list[dict[str, Any]]) -> None:
    """Send events that must be accepted.

    Raises:
        Misconfigured: one was rejected.
    """
    done = demo.post("/v1/events", {"events": events})
    if done["rejected"]:
        raise Misconfigured(f"the demo's events were refused: {done['rejected'][0]}")


def batches(items: Sequence[Any], size: int) -> list[list[Any]]:
    """The items in lists of at most `size`."""
    return [list(items[start : start + size]) for start in range(0, len(items), size)]


def progress_bars(console: Console) -> Progress:
    """A bar for each step."""
    return Progress(
        TextColumn("{task.description:<44}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )


def make_empty(folder: Path) -> None:
    """Make an empty folder that is marked as the demo's.

    Raises:
        Misconfigured: it holds something that is not the demo's.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARK).exists():
        raise Misconfigured(f"{folder} is not the demo's folder: choose another with --data-dir")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / _MARK).write_text("made by `offerlab demo`; emptied at its next start\n")


def free_port(wanted: int) -> int:
    """The wanted port, or any that is free when it is taken.

    Raises:
        Misconfigured: none is free.
    """
    for port in (wanted, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            chosen: int = probe.getsockname()[1]
            return chosen
    raise Misconfigured("no free port on 127.0.0.1")


@contextmanager
def serving(settings: Settings, clock: DemoClock) -> Generator[App]:
    """The service in a thread of this process, on the demo's clock."""
    app = create_app(settings, now=clock.now, new_salt=lambda: SALT)
    server = DrainingServer(Front.around(app), settings)
    thread = threading.Thread(target=server.run, name="offerlab-demo", daemon=True)
    thread.start()
    _until(lambda: server.started)
    try:
        yield app
    finally:
        server.should_exit = True
        thread.join()


def _until(holds: Callable[[], bool], patience_s: float = 30) -> None:
    deadline = time.monotonic() + patience_s
    while not holds():
        if time.monotonic() > deadline:
            raise Misconfigured("the demo's service did not start")
        time.sleep(0.02)
