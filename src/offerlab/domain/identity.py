"""Who is one person: ids and the links between them.

Each id has at most one outgoing link, to the id that it is another name of; of several the earliest (by when it
happened, then by event id) stands. The person is the component, named by the id at the end of its chain, and a ring by
its smallest number. So the persons follow from the links alone, in whatever order they arrived.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct


class Link(Struct, frozen=True, order=True):
    """One statement that two ids are one person; ordered by what stands first.

    Attributes:
        at: when it happened, microseconds UTC.
        customer: the number given up. into: the number it counts under from then on.
    """

    at: int
    event_id: str
    customer: int
    into: int


def standing(links: Iterable[Link]) -> dict[int, int]:
    """Of each id the one link that stands: customer -> into."""
    return {link.customer: link.into for link in sorted(links, reverse=True)}


def roots(numbers: Iterable[int], edges: Mapping[int, int]) -> dict[int, int]:
    """The number under which each of `numbers` counts.

    Args:
        numbers: ids to look up.
        edges: customer -> into, at most one for each.
    """
    return {number: _root(number, edges) for number in numbers}


def _root(number: int, edges: Mapping[int, int]) -> int:
    trail: list[int] = []
    here = number
    while here in edges and here not in trail:
        trail.append(here)
        here = edges[here]
    return here if here not in edges else min(trail[trail.index(here) :])
