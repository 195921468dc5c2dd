"""How much of what senders want is held in memory at once; beyond it they are asked to come again.

A queue bounded by events alone is not bounded: an event may be ten bytes or ten thousand, and bodies that are still
being read stand in no queue. Only bytes that have arrived are counted, so that nobody takes the room by announcing.
"""

from typing import Final, Self

from offerlab.errors import Unavailable

MOST: Final = 67_108_864
"""Bytes; in memory an event takes several times what it took on the wire."""


class Room:
    """Bytes of bodies under way in this process; used on the loop's thread alone."""

    def __init__(self) -> None:
        self.taken = 0


class Claim:
    """The part of one request, from `with` to its end.

    Args:
        room: what it is a part of.
    """

    __slots__ = ("_room", "_size")

    def __init__(self, room: Room) -> None:
        self._room = room
        self._size = 0

    def take(self, size: int) -> None:
        """Take some bytes more.

        Raises:
            Unavailable: there is no room for them.
        """
        if self._room.taken + size > MOST:
            raise Unavailable("too many events are waiting to be written")
        self._room.taken += size
        self._size += size

    def __enter__(self) -> Self:
        """Nothing is taken yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give back all of it."""
        self._room.taken -= self._size
        self._size = 0
