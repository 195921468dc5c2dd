"""The service as its users run it: a process of its own, started, killed and asked over a socket."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from support.find import ROOT
from support.service import ADMIN

START_S = 180.0


def free_port() -> int:
    """A port that nobody listens on and that the system gives nobody by itself before we listen there.

    Linux hands out ports from 32768 on; those below are walked through, from a place of this process's own.

    Raises:
        RuntimeError: all are taken.
    """
    for i in _PORTS:
        port = 20_000 + (os.getpid() * 61 + i) % 12_000
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port on 127.0.0.1")


_PORTS = iter(range(12_000))


class Process:
    """`offerlab serve` on a folder or a database, on a port that it keeps over restarts.

    Args:
        folder: data folder; also takes the log.
        database_url: None for SQLite inside the folder.
        prefix: a command to run it under, such as strace.
        environment: further variables.
        twin: a broken twin of `support.twins` to run in the service's place.
    """

    def __init__(
        self,
        folder: Path,
        *,
        database_url: str | None = None,
        prefix: Sequence[str] = (),
        environment: dict[str, str] | None = None,
        twin: str | None = None,
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.prefix = list(prefix)
        broken = [str(ROOT / "tests" / "support" / "twins.py"), twin or ""]
        self._program = [sys.executable, *(broken if twin else ["-m", "offerlab.cli"])]
        self._database = [] if database_url is None else ["--database-url", database_url]
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OFFERLAB_ADMIN_KEY": ADMIN}
        self._environment |= {"OFFERLAB_CURRENCY": "KRW", **(environment or {})}
        self._running: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def run(self, *command: str) -> None:
        """Another command on the same store."""
        arguments = [sys.executable, "-m", "offerlab.cli", *command, *self._database]
        subprocess.run(arguments, env=self._environment, cwd=self.folder, check=True, capture_output=True)

    def start(self) -> float:
        """Start and wait until every route works; the seconds that took."""
        serve = [*self._program, "serve", "--port", str(self.port)]
        folder = ["--data-dir", str(self.folder)]
        begun = time.monotonic()
        with (self.folder / "log.txt").open("ab") as log:
            self._running = subprocess.Popen(
                [*self.prefix, *serve, *folder, *self._database],
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        while not self.is_ready():
            if self._running.poll() is not None or time.monotonic() - begun > START_S:
                raise RuntimeError(f"the service did not start: {(self.folder / 'log.txt').read_text()[-3000:]}")
            time.sleep(0.02)
        return time.monotonic() - begun

    @property
    def pid(self) -> int:
        """The number of the process; 0 while none runs."""
        return 0 if self._running is None else self._running.pid

    def cpu_s(self) -> float:
        """Processor seconds that it has used since its start: what a busy machine does not stretch."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def is_ready(self) -> bool:
        """Whether `/readyz` answers 200."""
        try:
            return self.ask("GET", "/readyz", timeout=2)[0] == 200
        except OSError:
            return False

    def kill(self) -> None:
        """End it at once, as a crash would: nothing is finished, nothing is flushed."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, number: int) -> int:
        if self._running is None:
            return 0
        with suppress(ProcessLookupError):
            os.killpg(self._running.pid, number)  # its own session: itself and what it runs under, nobody else
        status = self._running.wait(timeout=60)
        self._running = None
        return status

    def ask(
        self, method: str, path: str, body: Any = None, *, key: str = ADMIN, timeout: float = 30
    ) -> tuple[int, dict[str, Any]]:
        """One request on a connection of its own: status and JSON body.

        Raises:
            OSError: nobody answered, or not to the end.
        """
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(method, path, body=sent, headers={"Authorization": f"Bearer {key}"})
            response = connection.getresponse()
            content = response.read()
        except Exception as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()
        kind = response.headers.get("content-type", "")
        return response.status, json.loads(content) if "json" in kind and content else {}

    def made(self, path: str, body: Any) -> dict[str, Any]:
        """POST something that must be created or done."""
        status, answer = self.ask("POST", path, body)
        assert status in (200, 201), answer
        return answer
