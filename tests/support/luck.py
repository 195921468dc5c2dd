"""What a test leaves to chance: nothing, unless `OFFERLAB_LUCK` says so.

A test that passes for most salts only is wrong, and `make luck` finds it; a landing is no place to find it.
"""

import os
from hashlib import sha256
from itertools import count
from secrets import token_hex

LUCK = bool(os.environ.get("OFFERLAB_LUCK"))
"""Whether this run draws salts and examples anew."""


class Salts:
    """Draws a service's salts of 128 bits: the same row for every service, or random ones where luck is asked for."""

    def __init__(self) -> None:
        self._numbers = count()

    def __call__(self) -> str:
        """The next salt, in hexadecimal."""
        return token_hex(16) if LUCK else sha256(b"salt %d" % next(self._numbers)).hexdigest()[:32]
