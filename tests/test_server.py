"""Connections: whoever sends half a request is not waited for, whoever waits for an answer is; over real sockets."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from offerlab import server

RECEIPT_S = 0.8
ANSWER_S = 1.2
IDLE_S = 2.0
WHOLE = b"POST /now HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
ANSWER = b"200 OK"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's patience, in tenths of seconds."""
    monkeypatch.setattr(server, "RECEIPT_S", RECEIPT_S)
    monkeypatch.setattr(server, "IDLE_S", IDLE_S)
    monkeypatch.setattr(server, "LOOK_S", 0.05)


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """Reads the whole request and answers it, `/later` after longer than any request may take to arrive."""
    while (await receive()).get("more_body"):
        pass
    if scope["path"] == "/later":
        await asyncio.sleep(ANSWER_S)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@contextlib.asynccontextmanager
async def _served(protocol: type[HttpToolsProtocol]) -> AsyncGenerator[Callable[[], Awaitable[Streams]]]:
    one = uvicorn.Server(uvicorn.Config(_app, http=protocol, lifespan="off", log_level="critical"))
    listening = socket.create_server(("127.0.0.1", 0))
    running = asyncio.create_task(one.serve(sockets=[listening]))
    try:
        yield lambda: asyncio.open_connection(*listening.getsockname())
    finally:
        one.should_exit = one.force_exit = True
        await running


async def _answers(protocol: type[HttpToolsProtocol], *sent: bytes, pause_s: float = 0.0) -> int:
    """How many answers come on one connection before the server ends it; it has five seconds."""
    async with _served(protocol) as connect:
        reader, writer = await connect()
        for piece in sent:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)
        try:
            heard = await asyncio.wait_for(reader.read(), 5.0)
        finally:
            writer.close()
        return heard.count(ANSWER)


@pytest.mark.parametrize(
    "half",
    [b"", b"POST /now HT", WHOLE[:30], WHOLE[:-1], WHOLE + WHOLE[:30], WHOLE + WHOLE[:-1]],
    ids=["nothing", "first line", "head", "body", "second head", "second body"],
)
def test_half_a_request_is_not_waited_for(half: bytes) -> None:
    """The connection ends, after the answers to whatever was whole."""
    assert asyncio.run(_answers(server.PunctualProtocol, half)) == half.count(WHOLE)


def test_the_server_beneath_would_wait_for_ever() -> None:
    """The twin: uvicorn's own protocol leaves half a head open."""
    with pytest.raises(TimeoutError):
        asyncio.run(_answers(HttpToolsProtocol, WHOLE[:30]))


def test_a_request_in_pieces_has_its_time_and_the_next_one_its_own() -> None:
    """Three requests in halves take longer together than one may."""
    head, body = WHOLE[:30], WHOLE[30:]
    sent = (head, body) * 3
    assert asyncio.run(_answers(server.PunctualProtocol, *sent, pause_s=RECEIPT_S / 3)) == 3


def test_an_answer_may_take_longer_than_its_request() -> None:
    """Neither its connection nor an idle one is cut for it; an idle one ends later."""
    later = WHOLE.replace(b"/now", b"/later")
    assert asyncio.run(_answers(server.PunctualProtocol, later, WHOLE, pause_s=0.1)) == 2
    assert asyncio.run(_answers(server.PunctualProtocol, WHOLE, WHOLE, pause_s=IDLE_S / 2)) == 2
