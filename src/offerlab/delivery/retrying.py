"""When to try again: over three days, ever more slowly, and then a person decides."""

from typing import Final

from offerlab.domain.clock import SECOND

PAUSES_S: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds after the first, second, … failed attempt (the schedule that Standard Webhooks suggests)."""

ATTEMPTS: Final = len(PAUSES_S) + 1
_SPREAD: Final = 0.1


def pause(attempts: int, *, draw: float, asked_s: int | None = None) -> int | None:
    """Microseconds until the next attempt; None when there is none left.

    Args:
        attempts: how many failed; those that the sender's own death cut short do not count.
        draw: in 0..1, spreads what failed together: up to a tenth later, never earlier.
        asked_s: what the receiver asked for (Retry-After); kept to if longer, up to a day.
    """
    if attempts >= ATTEMPTS:
        return None
    planned = PAUSES_S[attempts - 1] * (1 + _SPREAD * draw)
    asked = min(asked_s or 0, PAUSES_S[-1])
    return int(max(planned, asked) * SECOND)
