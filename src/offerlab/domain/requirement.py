"""What an experiment asks of other experiments before it takes a customer in: prerequisites, without circles."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from offerlab.errors import InvalidDefinition


class Requirement(Struct, frozen=True, kw_only=True):
    """A customer stands in another experiment as this says.

    Attributes:
        experiment: key of the other.
        variants: keys of its arms; empty: any of them (its flag is on for this customer).
        holds: True: the customer is in one of them, drawn, forced or served after its end; False: is in none.
    """

    experiment: str
    variants: tuple[str, ...] = ()
    holds: bool = True


def check_requirements(
    key: str,
    requires: Sequence[Requirement],
    *,
    arms: Mapping[str, Sequence[str]],
    others: Mapping[str, Sequence[Requirement]],
) -> None:
    """Refuse requirements of what does not exist, and circles.

    Args:
        key: of the experiment that requires.
        requires: what it asks.
        arms: keys of the arms of every other experiment that may be asked for, by its key.
        others: what every other experiment requires, by its key.

    Raises:
        InvalidDefinition: names the requirement at fault.
    """
    for i, one in enumerate(requires):
        field = f"requires[{i}]"
        if one.experiment == key:
            raise InvalidDefinition("an experiment can't require itself", field=f"{field}.experiment")
        if one.experiment not in arms:
            raise InvalidDefinition(f"no experiment has the key {one.experiment!r}", field=f"{field}.experiment")
        for variant in one.variants:
            if variant not in arms[one.experiment]:
                raise InvalidDefinition(
                    f"experiment {one.experiment!r} has no variant {variant!r}", field=f"{field}.variants"
                )
        way = _way_back(key, one.experiment, others)
        if way:
            raise InvalidDefinition(f"a circle: {' → '.join((key, *way))}", field=f"{field}.experiment")


def _way_back(key: str, start: str, others: Mapping[str, Sequence[Requirement]]) -> tuple[str, ...]:
    """The experiments from `start` on that lead back to `key`; empty where none do."""
    ways: list[tuple[str, ...]] = [(start,)]
    seen = {start}
    while ways:
        way = ways.pop()
        for one in others.get(way[-1], ()):
            if one.experiment == key:
                return (*way, key)
            if one.experiment not in seen:
                seen.add(one.experiment)
                ways.append((*way, one.experiment))
    return ()
