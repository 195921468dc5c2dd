"""Which products belong together: baskets -> counts -> ranked matches with their evidence, scored offline.

The way through the room: `baskets.collect` -> `counting.count` -> `affinity.rank`, or all of it with tests and floor in
`mining.mine`. `offline` compares strategies before one goes live.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from offerlab.affinity.ranking import rank

__all__ = ["rank"]


def __getattr__(name: str) -> object:
    """`affinity.rank`, imported when it is first asked for: scipy takes half a second that serving must not wait."""
    if name != "rank":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from offerlab.affinity.ranking import rank  # noqa: PLC0415 - see above

    return rank
