"""A rehearsal of `docker compose up` without an engine: the file's own commands against a PostgreSQL of our own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.postgres import Cluster
from support.process import free_port
from support.sources import read

READY_SECONDS = 180.0
RUN = "import sys; from offerlab.cli import main; sys.exit(main())"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services of the compose file."""
    loaded: dict[str, Any] = yaml.safe_load(read(Path("docker-compose.yml")))["services"]
    return loaded


@pytest.fixture(scope="module")
def port() -> int:
    """A port that nobody listens on."""
    return free_port()


@pytest.fixture
def environment(services: dict[str, Any], postgres_cluster: Cluster, tmp_path: Path) -> dict[str, str]:
    """The service's variables as compose would set them when nobody chose any."""
    given = {name: "USD" if name.endswith("CURRENCY") else "" for name in services["offerlab"]["environment"]}
    ours = {"OFFERLAB_DATABASE_URL": postgres_cluster.create_empty(), "OFFERLAB_DATA_DIR": str(tmp_path / "data")}
    return {**os.environ, **given, **ours}


@pytest.fixture
def running(services: dict[str, Any], environment: dict[str, str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The schema migrated, then the service started, with the commands of the file."""
    subprocess.run([sys.executable, "-c", RUN, *services["migrate"]["command"]], env=environment, check=True)
    command = [str(port) if part == "8000" else part for part in services["offerlab"]["command"]]
    command = ["127.0.0.1" if part == "0.0.0.0" else part for part in command]  # noqa: S104 - replaced by loopback
    process = subprocess.Popen([sys.executable, "-c", RUN, *command], env=environment)
    yield process
    process.kill()
    process.wait()


@pytest.mark.postgres
def test_service_becomes_healthy_and_stops_when_told(
    services: dict[str, Any], running: subprocess.Popen[bytes], port: int
) -> None:
    """The file's own health check passes once the service is ready, and its stop signal ends it in good order."""
    check = services["offerlab"]["healthcheck"]["test"]
    assert check[:2] == ["CMD", "python"]
    probe = [sys.executable, *(part.replace("8000", str(port)) for part in check[2:])]
    deadline = time.monotonic() + READY_SECONDS
    while subprocess.run(probe, check=False, capture_output=True).returncode:
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.2)
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=READY_SECONDS) in {0, -signal.SIGTERM}
