"""What a caller gets back: the same shapes whether the service answered or the ruleset at hand."""

from msgspec import Struct


class Answer(Struct, frozen=True, kw_only=True):
    """One experiment's decision.

    Attributes:
        offer: what to show, as the service renders it; a local answer has no words and no personal code.
        settled: False for a local answer that the service, knowing the customer, might give otherwise.
    """

    experiment: str
    variant: str
    enrolled: bool
    reason: str
    exposed: bool = False
    segment: str | None = None
    propensity: float | None = None
    epoch: int | None = None
    offer: dict[str, object] | None = None
    suppressed: str | None = None
    settled: bool = True


class Answers(Struct, frozen=True, kw_only=True):
    """The answer to one question.

    Attributes:
        decision_id: signed by the service, for the exposure; None when it did not answer.
        stale: decided by hash alone.
        error: why the service did not answer (its stable code, or `unavailable`); None when it did.
    """

    decisions: list[Answer]
    unknown: list[str] = []
    decision_id: str | None = None
    ruleset_version: int | None = None
    stale: bool = False
    error: str | None = None

    def of(self, experiment: str) -> Answer | None:
        """The decision of one experiment, None when there is none."""
        return next((one for one in self.decisions if one.experiment == experiment), None)

    def variant(self, experiment: str, *, default: str) -> str:
        """The variant to serve; `default` when nothing was decided."""
        found = self.of(experiment)
        return default if found is None else found.variant


class Rejected(Struct, frozen=True, kw_only=True):
    """One event that was not taken, with its place in the batch."""

    index: int
    code: str
    detail: str


class Receipt(Struct, frozen=True, kw_only=True):
    """What became of a batch of events. What is accepted is on disk."""

    accepted: int
    duplicates: int = 0
    rejected: list[Rejected] = []
