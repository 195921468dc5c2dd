"""A TCP proxy before a test's PostgreSQL: it passes, refuses, cuts, or swallows everything like a dead network."""

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Literal

Mode = Literal["pass", "refuse", "hang", "cut"]


class Proxy:
    """Listens on a port of 127.0.0.1 and connects to a server's unix socket.

    Attributes:
        port: where it listens.
        accepted: connections taken so far.
    """

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._flows = asyncio.Event()
        self._pumps: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._cuts = False
        self.port = 0
        self.accepted = 0
        self._run(self._listen())

    def switch(self, mode: Mode) -> None:
        """From now on: pass everything, refuse connections, take them and say nothing, or take and cut them.

        Refusing and cutting end the open ones, too. Only who is taken is counted.
        """
        self._run(self._switch(mode))

    def close(self) -> None:
        """End it."""
        self._run(self._switch("refuse"))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self) -> None:
        self._flows.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _switch(self, mode: Mode) -> None:
        self._cuts = mode == "cut"
        if mode != "refuse":
            await self._listen()
        if mode == "hang":
            self._flows.clear()
        if mode == "refuse" and self._server is not None:
            for listening in self._server.sockets:
                self._loop.remove_reader(listening.fileno())
            for _ in range(10):  # a server that is closed while it lets somebody in leaves his connection behind
                await asyncio.sleep(0)
            self._server.close()
            self._server = None
        if mode in ("refuse", "cut"):
            for pump in self._pumps:
                pump.cancel()
            await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self._cuts:
            writer.close()
            return
        task = asyncio.current_task()
        if task is not None:
            self._pumps.add(task)
            task.add_done_callback(self._pumps.discard)
        try:
            await self._flows.wait()
            onward, outward = await self._open()
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pump(reader, outward))
                    group.create_task(self._pump(onward, writer))
            finally:
                outward.close()
        except (OSError, asyncio.CancelledError, ExceptionGroup):
            pass  # a cut connection is what the proxy is for
        finally:
            writer.close()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The connection to the server; one that is made while the proxy is told to cut is not left behind."""
        opening = asyncio.create_task(asyncio.open_unix_connection(str(self._socket)))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            (await opening)[1].close()
            raise

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65_536):
            await self._flows.wait()
            writer.write(chunk)
            await writer.drain()
        writer.close()
