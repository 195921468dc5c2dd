"""`decision_id`: a decision signed by the project, so that it needs no row and an exposure can't be invented.

The token is base64url(msgpack(content)) + "." + base64url(16 bytes of BLAKE2b keyed with the project's secret; RFC
7693). It names the customer only by the vault's digest: who reads a log of tokens learns nothing about anybody. BLAKE2b
costs half of HMAC-SHA256, and a token of a hundred decisions is five thousand bytes long.
"""

import base64
import binascii
import hmac
import struct
from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from typing import Final

import msgspec
from msgspec import Struct

from offerlab.assignment.hashing import slot
from offerlab.domain.experiment import SLOTS

_SIGNATURE: Final = 16
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
_LONGEST: Final = 100_000


class Entry(Struct, frozen=True, array_like=True):
    """One enrolled decision, but for its bucket: what is the same for every customer with this outcome."""

    experiment: int
    variant: int
    segment: str | None
    epoch: int
    propensity: float
    suppressed: str | None = None
    offer: str | None = None
    template: str | None = None


class Content(Struct, frozen=True, array_like=True):
    """What a token says.

    Attributes:
        version: of the ruleset. decided_at: microseconds UTC. customer: the vault's digest.
        entries: the decisions that enrolled. packed: their buckets, see `pack`.
        picks: (place in `entries`, skus) where products were picked for this customer; elsewhere the offer's own.
    """

    version: int
    decided_at: int
    customer: bytes
    entries: tuple[Entry, ...]
    packed: bytes
    channel: str | None = None
    placement: str | None = None
    picks: tuple[tuple[int, tuple[str, ...]], ...] = ()
    agent: str | None = None
    slot: str | None = None

    @property
    def buckets(self) -> tuple[int, ...]:
        """The slot of each entry's arm."""
        return struct.unpack(f">{len(self.entries)}I", self.packed)


def pack(draws: list[bytes]) -> bytes:
    """The slots of arms drawn, four bytes each.

    Args:
        draws: the first 8 bytes of each draw's digest.
    """
    if len(draws) == 1:
        return slot(draws[0]).to_bytes(4, "big")
    read, write = _formats(len(draws))
    return write(*[draw * SLOTS >> 64 for draw in read(b"".join(draws))])


@cache
def _formats(count: int) -> tuple[Callable[[bytes], tuple[int, ...]], Callable[..., bytes]]:
    """What reads so many beginnings of digests, and what writes so many slots: `struct` looks both up by their text."""
    return struct.Struct(f">{count}Q").unpack, struct.Struct(f">{count}I").pack


_DECODER: Final = msgspec.msgpack.Decoder(Content)


def seal(signature: blake2b, body: bytes) -> bytes:
    """The token, in ASCII, for an encoded `Content`; `encoding.py` writes it.

    Args:
        signature: of the project, `begun`.
        body: the content.
    """
    signature = signature.copy()
    signature.update(body)
    both = binascii.b2a_base64(body) + b"." + binascii.b2a_base64(signature.digest())
    return both.translate(_URL_SAFE, b"=\n")


def read(secret: bytes, token: str) -> Content | None:
    """What a token says, None when this project did not sign it."""
    if len(token) > _LONGEST:
        return None
    body_text, _, mac_text = token.partition(".")
    try:
        body, mac = _bytes(body_text), _bytes(mac_text)
        signature = begun(secret)
        signature.update(body)
        if not hmac.compare_digest(mac, signature.digest()):
            return None
        return _DECODER.decode(body)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return None


def stream_signature(secret: bytes, number: int) -> str:
    """What makes a stream's address ours: it names a key by its number, and is good for nothing but listening."""
    return blake2b(b"%d" % number, digest_size=_SIGNATURE, key=secret, person=b"stream").hexdigest()


def begun(secret: bytes) -> blake2b:
    """A signature before its body: taking up the key costs as much as a short body does."""
    return blake2b(digest_size=_SIGNATURE, key=secret, person=b"decision")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
