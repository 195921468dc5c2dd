"""A webhook: where a shop's own programs hear what happened, and what they may hear of."""

from typing import Final, Literal

from msgspec import Struct

MessageType = Literal[
    "experiment.started",
    "experiment.paused",
    "experiment.resumed",
    "experiment.stopped",
    "experiment.archived",
    "experiment.reweighed",
    "experiment.ramp_halted",
    "experiment.proposed",
    "offer.due",
    "webhook.test",
]


class Webhook(Struct, frozen=True, kw_only=True):
    """One endpoint.

    Attributes:
        types: kinds of message it wants; empty wants all.
        enabled: False after the receiver answered 410, or when a person switched it off; `reason` says which.
        created_at: microseconds UTC.
    """

    id: int
    url: str
    types: tuple[MessageType, ...] = ()
    description: str = ""
    enabled: bool = True
    reason: str | None = None
    created_at: int = 0

    def wants(self, kind: str) -> bool:
        """Whether a message of this kind goes there."""
        return self.enabled and (not self.types or kind in self.types)


MAX_WEBHOOKS: Final = 50
"""Endpoints of one project."""

MAX_BODY: Final = 20_000
"""Bytes of one message."""
