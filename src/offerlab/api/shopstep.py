"""One step from the stored shop to the file's: what is shown of it before, and what is done."""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from offerlab.api.requests import Name

Action = Literal["create", "change", "start", "reweigh"]


class Planned(Struct, frozen=True, kw_only=True):
    """One thing that applying the file does, in the order in which it is done.

    Attributes:
        fields: what changes of it, where it exists.
    """

    kind: str
    key: Name
    action: Action
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line for a person."""
        changed = f" ({', '.join(self.fields)})" if self.fields else ""
        return f"{self.action:8} {self.kind} {self.key}{changed}"


class Step(Struct, frozen=True):
    """What is shown, and what is done: a verb of a desk with what it is told."""

    planned: Planned
    verb: Callable[..., object]
    told: tuple[object, ...]
    named: dict[str, object] = {}


def changed(known: Struct | None, one: Struct) -> tuple[str, ...]:
    """Names of the fields in which what is sent differs from what is known; none of something new."""
    if known is None:
        return ()
    return tuple(name for name in one.__struct_fields__ if getattr(known, name) != getattr(one, name))
