"""A service with hand-made reports, in process and behind a port for browsers."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from dashboard.seed import seeded
from offerlab.api.front import Front
from support.service import Service


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with four experiments that ran and a draft."""
    service = seeded(f"sqlite:///{tmp_path_factory.mktemp('shop') / 'offerlab.sqlite'}")
    yield service
    service.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of such a service for a browser; it lives in a thread, for Playwright's loop owns this one."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    url = f"sqlite:///{tmp_path_factory.mktemp('site') / 'offerlab.sqlite'}"
    servers: list[uvicorn.Server] = []

    def serve() -> None:
        service = seeded(url)
        front = Front.around(service.app)
        config = uvicorn.Config(front, log_level="warning", lifespan="off", ws="none", access_log=False)
        servers.append(uvicorn.Server(config))
        servers[0].run(sockets=[listening])
        service.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    while thread.is_alive() and not (servers and servers[0].started):
        time.sleep(0.02)
    assert thread.is_alive()
    yield f"http://127.0.0.1:{port}"
    servers[0].should_exit = True
    thread.join()
