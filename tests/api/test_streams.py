"""Clients are told of changed flags: server-sent events, one coroutine each, capped, ended when the process ends."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec
import pytest

from offerlab.api.front import Front
from offerlab.api.streams import Streams
from offerlab.app import App, create_app
from offerlab.workflows import lifecycle
from offerlab.workflows.desk import Desk
from support.process import Process
from support.service import Service

FLAGS = "/ofrep/v1/evaluate/flags"
PATIENCE_S = 30


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service with one running experiment."""
    running = Service(f"sqlite:///{tmp_path / 'offerlab.sqlite'}")
    running.coffee_shop()
    yield running
    running.close()


class Listener:
    """An EventSource without a browser: it speaks ASGI to the application and keeps what it hears."""

    def __init__(self, app: App, address: str, headers: dict[str, str] | None = None) -> None:
        self.status = 0
        self.heard = b""
        self.ended = False
        self._app = Front.around(app)
        self._left = asyncio.Event()
        self._news = asyncio.Event()
        path, _, query = address.partition("?")
        self._scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.encode(), text.encode()) for name, text in (headers or {}).items()],
        }
        self._task = asyncio.ensure_future(self._app(self._scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.heard += message["body"]
            self.ended = not message.get("more_body", False)
        self._news.set()

    async def until(self, holds: Callable[["Listener"], bool]) -> None:
        """Wait for what it hears."""
        while not holds(self):
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), PATIENCE_S)

    async def leave(self) -> None:
        """Hang up, and wait until the application has seen it."""
        self._left.set()
        await asyncio.wait_for(self._task, PATIENCE_S)


def address_of(service: Service, **options: Any) -> str:
    """Where a client is told to listen."""
    answer = service.post(FLAGS, {"context": {"targetingKey": "c"}}, **options).json()
    (stream,) = answer["eventStreams"]
    assert stream["type"] == "sse"
    return str(stream["endpoint"]["requestUri"])


def run(service: Service, work: Callable[[], Awaitable[None]]) -> None:
    """Run on the service's own loop."""

    async def whole() -> None:
        await work()

    service.runner.run(whole())


def notices(heard: bytes) -> list[dict[str, Any]]:
    """The messages in what was heard."""
    return [msgspec.json.decode(line[6:]) for line in heard.split(b"\n") if line.startswith(b"data: ")]


def _more_than(count: int) -> Callable[[Listener], bool]:
    return lambda one: len(notices(one.heard)) > count


def settled(service: Service) -> None:
    """Let the last change be so old that nobody can have missed it."""
    service.wait(seconds=60)


def test_a_change_is_told_to_who_listens_and_the_stream_survives_it(service: Service) -> None:
    """Nothing while nothing changes; a pause is one notice with the new version, a change on another replica too."""
    settled(service)
    address = address_of(service)
    other = create_app(service.settings, now=service.now)

    async def work() -> None:
        listener = Listener(service.app, address)
        await listener.until(lambda one: b"id: " in one.heard)
        assert listener.status == 200
        assert notices(listener.heard) == []
        await asyncio.to_thread(lifecycle.pause, Desk(service.app.runtime, 1, "test"), "coffee-addon")
        await listener.until(lambda one: len(notices(one.heard)) == 1)
        version = service.app.runtime.snapshot(1).project.version
        assert notices(listener.heard)[0] == {
            "type": "refetchEvaluation",
            "etag": f'"{version}"',
            "lastModified": service.app.runtime.changed_at // 1_000_000,
        }
        assert f"id: {version}\nevent: message\n".encode() in listener.heard
        distant = Listener(other, address)
        await distant.until(lambda one: b"id: " in one.heard)
        told = len(notices(distant.heard))
        await asyncio.to_thread(lifecycle.resume, Desk(service.app.runtime, 1, "test"), "coffee-addon")
        await distant.until(_more_than(told))
        await distant.leave()
        await listener.leave()
        assert service.app.streams.count == 0

    run(service, work)
    other.drain()
    other.serving.close()
    other.runtime.close()


def test_who_comes_back_is_told_to_fetch(service: Service) -> None:
    """With the id that it saw last, whatever it was: nobody knows what was missed."""
    settled(service)
    address = address_of(service)

    async def work() -> None:
        back = Listener(service.app, address, {"last-event-id": "1"})
        await back.until(lambda one: len(notices(one.heard)) == 1)
        assert notices(back.heard)[0]["type"] == "refetchEvaluation"
        await back.leave()

    run(service, work)


def test_silence_has_a_heartbeat_and_a_revoked_key_ends_it(service: Service) -> None:
    """A sign of life at the interval that was set; a stream whose key is revoked ends at the next one."""
    settled(service)
    key = service.made("/v1/keys", {"kind": "client"})
    address = address_of(service, key=key["key"])
    service.app.streams = Streams(service.app.runtime, most=2, heartbeat_s=0.05)

    async def work() -> None:
        listener = Listener(service.app, address)
        await listener.until(lambda one: b": alive" in one.heard)
        service.app.streams.drain()
        await listener.until(lambda one: one.ended)

    run(service, work)
    service.app.streams = Streams(service.app.runtime, most=2, heartbeat_s=0.05)
    service.call("DELETE", f"/v1/keys/{key['id']}")
    assert service.get(address, key=None).status_code == 401


def test_there_are_at_most_so_many_and_a_drain_ends_them(service: Service) -> None:
    """The third of two is told to come later (503 with Retry-After); a drain ends both and takes no more."""
    address = address_of(service)
    service.app.streams = Streams(service.app.runtime, most=2)

    async def work() -> None:
        both = [Listener(service.app, address) for _ in range(2)]
        for one in both:
            await one.until(lambda listener: listener.status == 200)
        third = Listener(service.app, address)
        await third.until(lambda one: one.ended)
        assert third.status == 503
        service.app.drain()
        for one in both:
            await one.until(lambda listener: listener.ended)
        assert service.app.streams.count == 0
        late = Listener(service.app, address)
        await late.until(lambda one: one.ended)
        assert late.status == 503

    run(service, work)


@pytest.mark.parametrize("token", ["", "1.1", "1.1.00", "9.1.00", "x.y.z", "1.999.00"])
def test_an_address_that_was_not_given_out_opens_nothing(service: Service, token: str) -> None:
    """401 as a problem, whatever stands there."""
    refused = service.get(f"/ofrep/v1/stream?token={token}", key=None)
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")


def test_without_streams_nobody_is_told_of_them(tmp_path: Path) -> None:
    """`OFFERLAB_STREAMS=0`: no member in the answer, 404 at the address."""
    service = Service(f"sqlite:///{tmp_path / 'offerlab.sqlite'}", streams=0)
    try:
        service.coffee_shop()
        assert "eventStreams" not in service.post(FLAGS, {"context": {"targetingKey": "c"}}).json()
        assert service.get("/ofrep/v1/stream?token=1.1.00", key=None).status_code == 404
        assert service.post("/ofrep/v1/stream").status_code == 405
    finally:
        service.close()


def test_the_same_answer_is_not_sent_twice(service: Service) -> None:
    """The address is the same for the life of the key, so that a second request with the ETag is 304."""
    body = {"context": {"targetingKey": "c"}}
    first = service.post(FLAGS, body)
    second = service.post(FLAGS, body, headers={"If-None-Match": first.headers["etag"]})
    assert second.status_code == 304


def test_a_hundred_listeners_need_no_thread(service: Service) -> None:
    """Threads are as many as before, and a change reaches every one of them."""
    address = address_of(service)

    async def work() -> None:
        before = threading.active_count()
        all_of_them = [Listener(service.app, address) for _ in range(100)]
        for one in all_of_them:
            await one.until(lambda listener: b"id: " in listener.heard)
        assert threading.active_count() <= before
        told = [len(notices(one.heard)) for one in all_of_them]
        await asyncio.to_thread(lifecycle.pause, Desk(service.app.runtime, 1, "test"), "coffee-addon")
        for one, count in zip(all_of_them, told, strict=True):
            await one.until(_more_than(count))
        for one in all_of_them:
            await one.leave()

    run(service, work)


def test_a_process_that_is_told_to_stop_ends_its_streams_first(tmp_path: Path) -> None:
    """After SIGTERM the stream ends whole, with its last chunk, and the process with status 0."""
    process = Process(tmp_path / "shop")
    process.start()
    _, flags = process.ask("POST", FLAGS, {"context": {"targetingKey": "c"}})
    connection = HTTPConnection("127.0.0.1", process.port, timeout=PATIENCE_S)
    connection.request("GET", flags["eventStreams"][0]["endpoint"]["requestUri"])
    stream = connection.getresponse()
    assert stream.getheader("content-type") == "text/event-stream"
    assert stream.readline().startswith(b"retry: ")
    status: list[int] = []
    stopping = threading.Thread(target=lambda: status.append(process.stop()))
    stopping.start()
    stream.read()
    connection.close()
    stopping.join()
    assert status == [0]
