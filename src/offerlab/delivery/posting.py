"""One POST to a webhook: to the address that was checked, no redirect followed, cut when it takes too long or too much.

httpcore and not httpx: it neither follows redirects, nor reads proxies from the environment, nor inflates bodies.
"""

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Final, cast

import httpcore
from msgspec import Struct

from offerlab.delivery.guard import Forbidden, Guard
from offerlab.errors import InvalidInput

TIMEOUT_S: Final = 15.0
MAX_ANSWER: Final = 65_536
EXCERPT: Final = 500
_OK: Final = range(200, 300)
_DIGITS: Final = 9


class Answer(Struct, frozen=True, kw_only=True):
    """What came of one attempt.

    Attributes:
        status: of the answer; None when there was none. asked_s: its Retry-After in seconds.
        error: why it failed, in a few words.
    """

    status: int | None = None
    asked_s: int | None = None
    error: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the receiver took it: any 2xx, nothing else."""
        return self.status is not None and self.status in _OK


class _Guarded(httpcore.AsyncNetworkBackend):
    """Connects to addresses that the guard let pass."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        # httpcore exports a stand-in of another type where anyio is missing; httpx brings anyio.
        self._plain = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's shape
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Look the host up once, check every address, connect to the first that answers."""
        failure: Exception = httpcore.ConnectError(f"nobody knows the host {host}")
        for address in await self._guard.addresses(host, port):
            try:
                return await self._plain.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(self, *_args: object, **_options: object) -> httpcore.AsyncNetworkStream:
        """Never."""
        raise Forbidden("a webhook is no socket of this machine")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


async def post(
    guard: Guard, url: str, body: bytes, headers: Mapping[str, str], *, timeout_s: float = TIMEOUT_S
) -> Answer:
    """Send one message. Whatever the other side does, an answer comes back within `timeout_s`."""
    sent = [("content-type", "application/json"), ("user-agent", "OfferLab-Webhooks"), *headers.items()]
    try:
        guard.check_form(url)
        async with (
            asyncio.timeout(timeout_s),
            httpcore.AsyncConnectionPool(network_backend=_Guarded(guard), ssl_context=_trust()) as pool,
            pool.stream("POST", url, headers=sent, content=body) as response,
        ):
            size = 0
            async for part in response.aiter_stream():
                size += len(part)
                if size > MAX_ANSWER:
                    return Answer(status=response.status, error="the answer is too long")
            return _answered(response)
    except TimeoutError:
        return Answer(error=f"no answer within {timeout_s:g} s")
    except (Forbidden, InvalidInput) as error:
        return Answer(error=error.detail)
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError, ssl.SSLError) as error:
        return Answer(error=f"{type(error).__name__}: {error}"[:EXCERPT])


@cache
def _trust() -> ssl.SSLContext:
    """Which certificates are believed: the system's; read once, it takes a while."""
    return ssl.create_default_context()


def _answered(response: httpcore.Response) -> Answer:
    given = {name.lower(): value.decode("latin-1") for name, value in response.headers}
    error = None if response.status in _OK else f"answered {response.status}"
    return Answer(status=response.status, asked_s=_asked(given.get(b"retry-after"), given.get(b"date")), error=error)


def _asked(value: str | None, date: str | None) -> int | None:
    """Seconds of a Retry-After: a number, or a moment counted from the answer's own date."""
    if value is None:
        return None
    if value.isascii() and value.isdecimal() and len(value) <= _DIGITS:
        return int(value)
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(date or "")
    except (TypeError, ValueError):
        return None
    return max(0, int(wait.total_seconds()))
