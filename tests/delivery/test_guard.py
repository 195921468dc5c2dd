"""Where a webhook may lead, in every spelling (A20 to A24)."""

import asyncio
import queue
import threading
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offerlab.delivery import posting
from offerlab.delivery.guard import Forbidden, Guard, is_public
from offerlab.delivery.posting import post
from offerlab.errors import InvalidInput
from support.receiver import receiving

INSIDE = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://0/",
    "http://0177.0.0.1/",
    "http://0x7f.1/",
    "http://2130706433/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://169.254.169.254/latest/meta-data",
    "http://10.1.2.3/",
    "http://172.16.0.1/",
    "http://192.168.0.1/",
    "http://100.64.0.1/",
    "http://[fd00::1]/",
    "http://[fe80::1%25eth0]/",
    "http://224.0.0.1/",
    "http://inside.test/",
    "http://localhost./",
]
MALFORMED = [
    "file:///etc/passwd",
    "gopher://example.test/",
    "http://user:secret@example.test/",
    "http://",
    "http:///path",
    "//example.test/",
    "example.test",
    "http://exa mple.test/",
    "http://example.test/\r\nX-Evil: 1",
    "http://example.test:99999/",
    "http://example.test\\@127.0.0.1/",
    "unix:/run/docker.sock",
]


async def names(host: str, port: int) -> Sequence[str]:
    """A name server with one name inside and one outside."""
    return {"inside.test": ["93.184.216.34", "10.0.0.7"], "outside.test": ["93.184.216.34"], "localhost.": ["::1"]}.get(
        host, []
    )


@pytest.mark.parametrize("url", INSIDE)
def test_addresses_inside_are_refused(url: str) -> None:
    """However an inner address is written, and when only one of a name's addresses is one."""
    with pytest.raises(InvalidInput) as refused:
        asyncio.run(Guard(resolve=names).check(url))
    assert refused.value.field == "url"


@pytest.mark.parametrize("url", INSIDE)
def test_a_setting_opens_the_inside(url: str) -> None:
    """The broken twin, and what self-hosting needs: with the setting the same URLs pass."""
    asyncio.run(Guard(allow_private=True, resolve=names).check(url))


@pytest.mark.parametrize("url", MALFORMED)
def test_other_forms_are_refused_with_or_without_the_setting(url: str) -> None:
    """Other schemes, user names, control characters and lost hosts are no webhook."""
    for private in (False, True):
        with pytest.raises(InvalidInput):
            asyncio.run(Guard(allow_private=private, resolve=names).check(url))


@pytest.mark.parametrize("url", ["https://outside.test/hook", "http://8.8.8.8:8080/", "https://unknown.test/"])
def test_the_internet_is_open(url: str) -> None:
    """Public addresses pass, and names that nobody knows yet: they are looked up at every sending."""
    asyncio.run(Guard(resolve=names).check(url))


@given(st.ip_addresses(v=4))
def test_wrapping_makes_no_address_public(address: object) -> None:
    """An IPv4 address inside IPv6 is as public as it is itself."""
    assert is_public(f"::ffff:{address}") == is_public(str(address))


def test_what_was_checked_is_what_is_called() -> None:
    """A name server that changes its answer between check and connection gains nothing (rebinding)."""
    answers = [["93.184.216.34"], ["127.0.0.1"]]

    async def rebinding(host: str, port: int) -> Sequence[str]:
        return answers.pop(0)

    with receiving() as receiver:
        guard = Guard(resolve=rebinding)
        asyncio.run(guard.check(f"http://rebound.test:{receiver.port}/"))
        answer = asyncio.run(post(guard, f"http://rebound.test:{receiver.port}/", b"{}", {}))
        assert (answer.status, receiver.received) == (None, [])
        assert answer.error is not None
        assert "127.0.0.1" in answer.error


def test_a_redirect_is_a_failed_attempt() -> None:
    """A 302 to the metadata service is not followed."""
    with receiving() as receiver:
        receiver.otherwise = 302
        receiver.extra = {"location": "http://169.254.169.254/latest/meta-data"}
        answer = asyncio.run(post(Guard(allow_private=True), receiver.url, b"{}", {}))
    assert (answer.ok, answer.status, len(receiver.received)) == (False, 302, 1)


def test_a_slow_or_endless_answer_is_cut() -> None:
    """One byte at a time ends at the time limit, an endless body at 64 KB."""
    with receiving() as receiver:

        def drip(handler: object) -> None:
            with suppress(OSError):
                while not stop.wait(0.05):
                    handler.wfile.write(b"H")  # type: ignore[attr-defined]  # the request handler

        def flood(handler: object) -> None:
            handler.send_response(200)  # type: ignore[attr-defined]  # likewise
            handler.end_headers()  # type: ignore[attr-defined]  # likewise
            sent = 0
            with suppress(OSError):
                for _ in range(1_000):
                    sent += handler.wfile.write(b"x" * 65_536)  # type: ignore[attr-defined]  # likewise
            flooded.put(sent)

        stop, flooded = threading.Event(), queue.SimpleQueue[int]()
        receiver.manner = drip
        slow = asyncio.run(post(Guard(allow_private=True), receiver.url, b"{}", {}, timeout_s=0.3))
        stop.set()
        receiver.manner = flood
        endless = asyncio.run(post(Guard(allow_private=True), receiver.url, b"{}", {}))
    assert (slow.status, slow.error) == (None, "no answer within 0.3 s")
    assert (endless.status, endless.error) == (200, "the answer is too long")
    assert flooded.get(timeout=60) < 1_000 * 65_536
    assert posting.MAX_ANSWER == 65_536


def test_no_socket_of_this_machine() -> None:
    """The back end that connects knows no unix sockets."""
    with pytest.raises(Forbidden):
        asyncio.run(posting._Guarded(Guard()).connect_unix_socket("/run/docker.sock"))
