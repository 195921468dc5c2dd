"""A second pair of eyes: what one person wants to do and another one has to let happen."""

from typing import Literal

from msgspec import Struct


class Proposal(Struct, frozen=True, kw_only=True):
    """A start or a change of the split that waits for another person.

    Attributes:
        action: what is to be done. by: who wants it. at: since when, microseconds UTC.
        weights, allocation, traffic, ramp: of a change; None leaves them. A step of the ramp is (at, traffic).
    """

    action: Literal["start", "reweigh"]
    by: str
    at: int
    weights: dict[str, float] | None = None
    allocation: dict[str, dict[str, float]] | None = None
    traffic: float | None = None
    ramp: tuple[tuple[int, float], ...] | None = None


def person_of(actor: str) -> str:
    """Who stands behind an actor's name: the key, whether it came by the API or by the dashboard."""
    return actor.partition(" ")[0] if actor.startswith("key:") else actor
