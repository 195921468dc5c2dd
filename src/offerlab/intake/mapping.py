"""How a foreign payload becomes a native event, said as data: which path feeds which field.

One table for each source, in one place (`segment.py`, `ga4.py`, `shopify.py`, `woocommerce.py`). What is no look-up (a
sum of parts, a list of lines) has a word here, so that a table reads without code. A field whose paths are
all absent or empty is left out; whether it was needed the native type says afterwards, in one voice for all sources.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Final, cast

import msgspec
from msgspec import Struct

from offerlab.domain.clock import SECOND, from_micros, to_micros
from offerlab.errors import InvalidInput

Body = Mapping[str, object]
_MISSING: Final = object()
_MILLIS_FROM: Final = 10**11
_LARGEST: Final = 15
_SMALLEST: Final = -12


class Text(Struct, frozen=True):
    """The first of `paths` that holds something, as text (a number becomes its digits)."""

    paths: tuple[str, ...]


class Anything(Struct, frozen=True):
    """The first of `paths` that is there, as it is."""

    paths: tuple[str, ...]


class Count(Struct, frozen=True):
    """A whole number, also when written `"2"` or `2.0`; `absolute` drops its sign."""

    paths: tuple[str, ...]
    absolute: bool = False


class Amount(Struct, frozen=True):
    """Money: the first of `paths`, plus and minus the sums of other paths where they are there.

    Attributes:
        times: path of a quantity that it is multiplied by. per: path of a quantity that it is divided by.
        absolute: drops the sign, for sources that write refunds below zero.
    """

    paths: tuple[str, ...]
    plus: tuple[str, ...] = ()
    minus: tuple[str, ...] = ()
    times: str | None = None
    per: str | None = None
    absolute: bool = False


class Measure(Struct, frozen=True):
    """A number that is no money, also when written as text."""

    paths: tuple[str, ...]


class Always(Struct, frozen=True):
    """The same value whatever was sent."""

    value: object


class Each(Struct, frozen=True):
    """A list: every object of the first of `paths`, by its own table.

    Attributes:
        keyed: field that must be there and differ between the objects; repeated ones get `#2`, `#3`.
        unless: path inside the object that, when it holds something, leaves the object out.
    """

    paths: tuple[str, ...]
    fields: Mapping[str, "Source"]
    keyed: str | None = None
    unless: str | None = None


Source = Text | Anything | Count | Measure | Amount | Always | Each


class Rule(Struct, frozen=True):
    """What one kind of foreign event becomes: a native type, and a source for each of its fields.

    Attributes:
        revises: an order told anew: the later telling counts.
    """

    type: str
    fields: Mapping[str, Source] = {}
    revises: bool = False


def native_fields(rule: Rule, body: Body) -> dict[str, object]:
    """The native event's own fields (`type` included, id, customer and time not).

    Raises:
        InvalidInput: a value that is no number where one must stand; names the path.
    """
    return {"type": rule.type, **_fields(rule.fields, body)}


def _fields(table: Mapping[str, Source], body: Body) -> dict[str, object]:
    found = {name: _taken(source, body) for name, source in table.items()}
    return {name: value for name, value in found.items() if value is not _MISSING}


def _taken(source: Source, body: Body) -> object:
    match source:
        case Text(paths=paths):
            return _text(first(body, paths))
        case Anything(paths=paths):
            return first(body, paths)
        case Count(paths=paths, absolute=absolute):
            return _count(first(body, paths), paths[0], absolute=absolute)
        case Measure(paths=paths):
            found = first(body, paths)
            return found if found is _MISSING else float(number(found, paths[0]))
        case Amount():
            return _amount(source, body)
        case Always(value=value):
            return value
        case Each():
            return _each(source, body)


def at(body: Body, path: str) -> object:
    """What stands at a dotted path; digits step into lists. None where nothing does."""
    here: object = body
    for step in path.split("."):
        if isinstance(here, Mapping):
            here = here.get(step)
        elif isinstance(here, list | tuple) and step.isdecimal() and int(step) < len(cast("list[object]", here)):
            here = cast("list[object]", here)[int(step)]
        else:
            return None
    return here


def first(body: Body, paths: tuple[str, ...]) -> object:
    """What stands at the first path that holds anything (an empty text is nothing)."""
    for path in paths:
        value = at(body, path)
        if value is not None and value != "":
            return value
    return _MISSING


def text_at(body: Body, *paths: str) -> str | None:
    """The first of `paths` that holds something, as text."""
    value = _text(first(body, paths))
    return value if isinstance(value, str) else None


def _text(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return value
    return str(int(value)) if value == int(value) else str(value)


def number(value: object, path: str) -> Decimal:
    """A number that may be written as text; below 10**-12 it is zero.

    Raises:
        InvalidInput: it is no number, or has more than 16 digits before the point: such ones overflow what comes next.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise InvalidInput(f"{path} is no number", field=path)
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation as error:
        raise InvalidInput(f"{path} is no number", field=path) from error
    if not found.is_finite():
        raise InvalidInput(f"{path} is no number", field=path)
    if found and found.adjusted() > _LARGEST:
        raise InvalidInput(f"{path} is too large", field=path)
    return found if found and found.adjusted() >= _SMALLEST else Decimal(0)


def _count(value: object, path: str, *, absolute: bool) -> object:
    if value is _MISSING:
        return _MISSING
    found = number(value, path)
    if found != found.to_integral_value():
        raise InvalidInput(f"{path} is no whole number", field=path)
    return abs(int(found)) if absolute else int(found)


def _amount(source: Amount, body: Body) -> object:
    base = first(body, source.paths)
    if base is _MISSING:
        return _MISSING
    total = number(base, source.paths[0])
    total += sum((_part(body, path) for path in source.plus), Decimal(0))
    total -= sum((_part(body, path) for path in source.minus), Decimal(0))
    if source.times is not None:
        total *= _quantity(body, source.times)
    if source.per is not None:
        total /= _quantity(body, source.per)
    return str(abs(total) if source.absolute else total)


def _part(body: Body, path: str) -> Decimal:
    value = first(body, (path,))
    return Decimal(0) if value is _MISSING else number(value, path)


def _quantity(body: Body, path: str) -> Decimal:
    value = first(body, (path,))
    found = Decimal(1) if value is _MISSING else abs(number(value, path))
    return found or Decimal(1)


def _each(source: Each, body: Body) -> object:
    items = first(body, source.paths)
    if items is _MISSING:
        return _MISSING
    if not isinstance(items, list):
        raise InvalidInput(f"{source.paths[0]} is no list", field=source.paths[0])
    objects: list[Body] = []
    for item in cast("list[object]", items):
        if not isinstance(item, Mapping):
            raise InvalidInput(f"{source.paths[0]} holds something that is no object", field=source.paths[0])
        if source.unless is None or not at(cast("Body", item), source.unless):
            objects.append(cast("Body", item))
    found = [_fields(source.fields, item) for item in objects]
    if source.keyed is not None:
        _make_distinct(found, source.keyed)
    return found


def _make_distinct(items: list[dict[str, object]], key: str) -> None:
    seen: Counter[str] = Counter()
    for place, item in enumerate(items):
        name = item.setdefault(key, str(place + 1))
        if not isinstance(name, str):
            continue  # no text: the native type refuses it
        seen[name] += 1
        if seen[name] > 1:
            item[key] = f"{name}#{seen[name]}"


def required(body: Body, *paths: str) -> str:
    """The first of `paths` that holds something, as text.

    Raises:
        InvalidInput: none does; names the first.
    """
    found = text_at(body, *paths)
    if found is None:
        raise InvalidInput(f"{paths[0]} is missing", field=paths[0])
    return found


def money(body: Body, path: str) -> Decimal:
    """An amount, zero where none stands.

    Raises:
        InvalidInput: what stands there is no number.
    """
    return _part(body, path)


def millionths(value: Decimal, path: str) -> str:
    """A computed amount, rounded to 6 digits.

    Raises:
        InvalidInput: it is too large to be exact; names the path that it came from.
    """
    try:
        return str(round(value, 6))
    except InvalidOperation as error:
        raise InvalidInput(f"{path} makes an amount that is too large", field=path) from error


def objects(body: Body, path: str) -> list[Body]:
    """A list of objects, empty where none stands.

    Raises:
        InvalidInput: what stands there is something else.
    """
    items = at(body, path)
    if items is None:
        return []
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in cast("list[object]", items)):
        raise InvalidInput(f"{path} is no list of objects", field=path)
    return cast("list[Body]", items)


def named(body: Body, path: str, name: str, *, key: str = "name") -> str | None:
    """The value of the pair called `name` in a list of `{name, value}`."""
    for pair in objects(body, path):
        if pair.get(key) == name:
            return text_at(pair, "value")
    return None


def micros(value: object) -> int | None:
    """A time in microseconds UTC: ISO 8601 (UTC without a zone), or seconds or milliseconds since 1970; None for None.

    Raises:
        InvalidInput: it is no time.
    """
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value / 1000 if value >= _MILLIS_FROM else value
        if not 0 <= seconds < _MILLIS_FROM:
            raise InvalidInput(f"{value!r} is no time", field="timestamp")
        return to_micros(from_micros(int(seconds * SECOND)), field="timestamp")
    if not isinstance(value, str):
        raise InvalidInput(f"{value!r} is no time", field="timestamp")
    try:
        moment = msgspec.convert(value, datetime)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{value[:50]!r} is no time", field="timestamp") from error
    return to_micros(moment if moment.tzinfo else moment.replace(tzinfo=UTC), field="timestamp")
