"""Requests with a deadline, retries that spread out, and a breaker that keeps quiet while a service is in trouble."""

import random
import threading
import time
from collections.abc import Mapping
from typing import Final

import httpx
import msgspec
from msgspec import Struct

from offerlab.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    OfferLabError,
    TooLarge,
    Unauthenticated,
    Unavailable,
)

BREAK_AFTER: Final = 3
BREAK_S: Final = 1.0
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 5.0

NOT_MODIFIED: Final = 304

_RETRIED: Final = frozenset((408, 425, 429))
"""Refusals that a second attempt may not meet; answers from 500 on never settle anything."""

_BROKEN: Final = 500
_REFUSED: Final = 400
_ERRORS: Final[dict[int, type[OfferLabError]]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
}


class Patience(Struct, frozen=True):
    """How long a call may take in all, in seconds, and how many attempts it may make."""

    seconds: float
    tries: int


class Transport:
    """One service behind one key.

    Args:
        url: of the service.
        key: of the API.
        transport: how requests travel; None for HTTP.
    """

    def __init__(self, url: str, key: str, *, transport: httpx.BaseTransport | None = None) -> None:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._http = httpx.Client(base_url=url.rstrip("/"), headers=headers, transport=transport)

    def close(self) -> None:
        """Give back the connections."""
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        patience: Patience,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """One answered call: 2xx or 304.

        Raises:
            Unavailable: no attempt within the deadline was answered usefully.
            OfferLabError: the service refused; the problem's own code and detail are in `extra`.
        """
        content = b"" if body is None else msgspec.json.encode(body)
        deadline = time.monotonic() + patience.seconds
        trouble, retry_after = "no time was left", 0.0
        for attempt in range(patience.tries):
            if attempt and not _pause(attempt, retry_after, deadline):
                break
            left = deadline - time.monotonic()
            if left <= 0:
                break
            request = self._http.build_request(method, path, content=content, headers=dict(headers or {}), timeout=left)
            try:
                response = self._read(request, deadline)
            except httpx.HTTPError as error:
                trouble, retry_after = f"{type(error).__name__}: {error}", 0.0
                continue
            if response.status_code < _BROKEN and response.status_code not in _RETRIED:
                return _checked(response)
            trouble, retry_after = f"status {response.status_code}", _seconds(response.headers.get("retry-after"))
        raise Unavailable(f"{method} {path} was not answered: {trouble}")

    def _read(self, request: httpx.Request, deadline: float) -> httpx.Response:
        """The answer, whole. httpx limits each read by itself: an answer that drips is cut off here."""
        response = self._http.send(request, stream=True)
        body = bytearray()
        try:
            for part in response.iter_bytes():
                body += part
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("the answer came too slowly", request=request)
        finally:
            response.close()
        headers = {name: value for name, value in response.headers.items() if name != "content-encoding"}
        return httpx.Response(response.status_code, headers=headers, content=bytes(body), request=request)


class Breaker:
    """Stops asking for a moment after some failures in a row. Threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0
        self._quiet_until = 0.0

    def check(self) -> None:
        """Let a call pass.

        Raises:
            Unavailable: the last calls failed; it is too early for the next.
        """
        with self._lock:
            if time.monotonic() < self._quiet_until:
                raise Unavailable("the service failed just now; the next attempt is made in a moment")

    def note(self, *, failed: bool) -> None:
        """What came of a call."""
        with self._lock:
            self._failures = self._failures + 1 if failed else 0
            if self._failures >= BREAK_AFTER:
                self._quiet_until = time.monotonic() + BREAK_S


def _pause(attempt: int, retry_after: float, deadline: float) -> bool:
    """Wait before another attempt; False when the deadline would pass meanwhile."""
    longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**attempt)
    pause = max(retry_after, random.uniform(longest / 2, longest))  # noqa: S311 - spreads retries, guards no secret
    if time.monotonic() + pause >= deadline:
        return False
    time.sleep(pause)
    return True


def _seconds(retry_after: str | None) -> float:
    try:
        return max(0.0, float(retry_after or 0))
    except ValueError:
        return 0.0


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_success or response.status_code == NOT_MODIFIED:
        return response
    try:
        problem = msgspec.json.decode(response.content, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = {}
    if response.status_code < _REFUSED:
        raise Unavailable(f"what answered is no OfferLab: status {response.status_code}")
    kind = _ERRORS.get(response.status_code, InvalidInput)
    detail = problem.get("detail")
    field = problem.get("field")
    raise kind(
        detail if isinstance(detail, str) else f"the service answered {response.status_code}",
        field=field if isinstance(field, str) else None,
        extra={"status": response.status_code, "code": problem.get("code")},
    )
