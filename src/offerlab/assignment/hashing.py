"""From (salt, unit) to a slot: the first 8 bytes of SHA-256 of `salt:unit`, scaled by multiply-shift.

Any client can repeat this without a secret; `docs/assignment.md` describes it and `docs/assignment-vectors.json`
holds published answers. Rejected: modulo (favours low slots), 32-bit hashes (a share is then exact to one in a
thousand at best), one salt for several draws (the gate would pick who gets which arm).

Whether a slot lies below a bound is asked of the digest itself: `slot < end` exactly when `digest < cut(end)`,
as bytes. That is the same range look-up without making an integer.
"""

from hashlib import sha256
from struct import Struct
from typing import Final, Literal

from offerlab.domain.experiment import SLOTS, Experiment

Draw = Literal["arm", "holdout", "traffic", "layer", "product"]

HEAD: Final = 8
"""Of a digest so many bytes say its slot."""
_BEYOND: Final = b"\xff" * 33
"""Above every digest."""
_head: Final = Struct(">Q").unpack_from


def salt_of(salt: str, draw: Draw) -> str:
    """The salt of one draw: an experiment's (or layer's) own salt, a dot, and what is drawn."""
    return f"{salt}.{draw}"


def arm_salt(experiment: Experiment) -> str:
    """The salt that deals out an experiment's arms."""
    return salt_of(experiment.salt, "arm" if experiment.holdout is None else "holdout")


def prefix(salt: str) -> bytes:
    """What is hashed before the unit."""
    return f"{salt}:".encode()


def digest(salt: str, unit: str) -> bytes:
    """SHA-256 of `salt:unit` in UTF-8, 32 bytes."""
    return sha256(f"{salt}:{unit}".encode()).digest()


def slot(digested: bytes) -> int:
    """The slot that a digest falls into, 0 <= slot < SLOTS."""
    head: int = _head(digested)[0]
    return head * SLOTS >> 64


def bucket(salt: str, unit: str) -> int:
    """The slot of a unit, 0 <= slot < SLOTS.

    Args:
        salt: of this draw, see `salt_of`.
        unit: as `naming.unit_of` leaves it (NFC); nothing is normalised here.
    """
    return slot(digest(salt, unit))


def cut(end: int) -> bytes:
    """The bound below which exactly the digests of slots `< end` lie, 0 <= end <= SLOTS.

    slot < end  <=>  floor(h * SLOTS / 2**64) < end  <=>  h < ceil(end * 2**64 / SLOTS).
    """
    return _BEYOND if end >= SLOTS else (-(-(end << 64) // SLOTS)).to_bytes(HEAD, "big")


def end_of(bound: bytes) -> int:
    """The slot whose `cut` this is: the inverse of `cut`."""
    return SLOTS if bound == _BEYOND else slot(bound)
