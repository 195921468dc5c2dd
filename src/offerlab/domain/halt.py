"""What a crossed guardrail leaves behind: why the experiment paused by itself, and who has read that."""

from msgspec import Struct


class Halt(Struct, frozen=True, kw_only=True):
    """A guardrail whose harm boundary one arm crossed.

    Attributes:
        at: when it was read, microseconds UTC.
        metric, variant, reference: what got worse, in which arm, compared with which.
        estimate: by how much, in the metric's unit (the sign is that of the difference).
        customers: analysed then, all arms.
        read_at: when a person acknowledged it, microseconds UTC; None: nobody has yet.
        read_by: who. note: why it goes on all the same.
    """

    at: int
    metric: str
    variant: str
    reference: str
    estimate: float
    customers: int
    read_at: int | None = None
    read_by: str = ""
    note: str = ""
