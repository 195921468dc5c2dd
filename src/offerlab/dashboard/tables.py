"""What a table of a page is made of."""

from markupsafe import Markup
from msgspec import Struct


class Cell(Struct, frozen=True):
    """A figure of a table; `number` aligns it to the right."""

    text: str
    number: bool = True
    mark: Markup | None = None


class Table(Struct, frozen=True):
    """A table; on a phone each row becomes a list of heading and value."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
