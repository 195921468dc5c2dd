"""Every error OfferLab raises on purpose, on one page.

OfferLabError
├── InvalidInput          a value from outside cannot be taken (names the field)
│   ├── InvalidDefinition     a product, offer, segment or experiment contradicts itself
│   ├── InvalidPlan           alpha, power, weights or a window outside its range
│   └── InvalidMoments        sums that no data could have produced
├── NotFound              no such object in this project
├── Conflict              the object exists otherwise, or is not in the state this needs
│   ├── PreconditionFailed    it was changed since the caller read it (If-Match)
│   ├── NotAcknowledged       a guardrail paused it, and nobody said to have read that
│   └── ApprovalNeeded        another person has to approve it; the proposal is kept
├── Forbidden             the caller may not do this
│   ├── SamePerson            who proposed it can't be who approves it
│   └── Unauthenticated       nobody was named, or nobody we know
├── TooLarge              a body, batch or tree above its written limit
├── Unavailable           the store can't be reached or is not ready; worth another try
└── Misconfigured         settings, schema or data folder keep the service from starting

An error knows nothing of HTTP: `api/problems.py` holds the one table from code to status.
What thin data cannot say is no error but an answer: `offerlab.stats.effect.Undetermined`.
"""

from collections.abc import Mapping
from typing import ClassVar


class OfferLabError(Exception):
    """Root of the tree.

    Attributes:
        code: stable, snake_case; clients may branch on it.
        detail: one sentence for a person, with the offending value.
        field: dotted path of the field at fault, where one is.
        extra: further machine-readable facts.
    """

    code: ClassVar[str] = "error"

    def __init__(self, detail: str, *, field: str | None = None, extra: Mapping[str, object] | None = None) -> None:
        """Keep what a caller needs to correct the call."""
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.extra = dict(extra or {})


class InvalidInput(OfferLabError):
    """A value from outside cannot be taken."""

    code = "invalid_input"


class InvalidDefinition(InvalidInput):
    """A product, offer, segment or experiment contradicts itself."""

    code = "invalid_definition"


class InvalidPlan(InvalidInput):
    """A statistical setting lies outside its range."""

    code = "invalid_plan"


class InvalidMoments(InvalidInput):
    """Sums that no data could have produced (negative n, impossible squares)."""

    code = "invalid_moments"


class NotFound(OfferLabError):
    """No such object in this project."""

    code = "not_found"


class Conflict(OfferLabError):
    """The object exists otherwise, or is not in the state that this needs."""

    code = "conflict"


class PreconditionFailed(Conflict):
    """The object was changed since the caller read it."""

    code = "precondition_failed"


class NotAcknowledged(Conflict):
    """A guardrail paused the experiment: whoever resumes it says to have read why."""

    code = "not_acknowledged"


class ApprovalNeeded(Conflict):
    """Another person has to approve this; it waits for them."""

    code = "approval_needed"


class Forbidden(OfferLabError):
    """The caller is known but may not do this."""

    code = "forbidden"


class SamePerson(Forbidden):
    """Whoever wrote or proposed it can't be the second pair of eyes."""

    code = "same_person"


class Unauthenticated(Forbidden):
    """No key, or none that we know."""

    code = "unauthenticated"


class TooLarge(OfferLabError):
    """A body, batch or tree above its written limit."""

    code = "too_large"


class Unavailable(OfferLabError):
    """The store can't be reached or the service is not ready; another try may work."""

    code = "unavailable"


class Misconfigured(OfferLabError):
    """Settings, schema or data folder keep the service from starting."""

    code = "misconfigured"
