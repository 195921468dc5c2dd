"""Many rows at once, around SQLAlchemy: what goes in comes out, on both databases."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, select

from offerlab.storage import bulk, schema
from offerlab.storage.database import open_engine, reading, writing
from offerlab.storage.tables import events, interactions, profiles

NASTY = ("", "NULL", "null", '"', "\\", '\\"', "{a,b}", " a b ", "a,b", "'", "\n\t", "커피", "%s ?", "x" * 150)


@pytest.fixture
def engine(fresh_database_url: str) -> Iterator[Engine]:
    """An empty store."""
    found = open_engine(fresh_database_url)
    schema.upgrade(found)
    yield found
    found.dispose()


def test_texts_numbers_and_gaps_come_back_as_they_went_in(engine: Engine) -> None:
    """Whatever a text holds, a column may be empty in all rows, in some or in none."""
    rows = [
        (1, f"e{i}", "review", i, 2**62 - i, None, word or None, word, i / 7, f'"{i}"', -i, 2**62)
        for i, word in enumerate(NASTY)
    ]
    with writing(engine) as connection:
        bulk.insert(connection, interactions, rows)
    with reading(engine) as connection:
        names = [column for column in interactions.c if column.name != "body"]
        found = sorted(tuple(row) for row in connection.execute(select(*names)))
    assert found == sorted(tuple(value for i, value in enumerate(row) if i != 9) for row in rows)


def test_bytes_are_replaced_by_key(engine: Engine) -> None:
    """The last row of a key stands, byte for byte, and is found by its key."""
    first, second = bytes(range(256)), b"\\x00'\"{}"
    with writing(engine) as connection:
        bulk.upsert(connection, profiles, [(7, 1, first, 5), (8, 1, b"", 5)], ("customer",))
        bulk.upsert(connection, profiles, [(7, 1, second, 6)], ("customer",))
        found = bulk.select_in(connection, "SELECT customer, body FROM profiles WHERE customer", [7, 8, 9])
        assert sorted((row[0], bytes(row[1])) for row in found) == [(7, second), (8, b"")]


def test_only_what_was_not_there_is_new(engine: Engine) -> None:
    """All new is told as None; of a mixed lot the new ones are named; of known ones none."""

    def row(name: str) -> bulk.Row:
        return 1, name, "order", 3, 4, 5, b"0123456789abcdef"

    with writing(engine) as connection:
        assert bulk.insert_new(connection, events, [row("a"), row("b")], "event_id") is None
        assert bulk.insert_new(connection, events, [row(name) for name in "abcdb"[:4]], "event_id") == {"c", "d"}
        assert bulk.insert_new(connection, events, [row("a"), row("d")], "event_id") == set()
        assert bulk.insert_new(connection, events, [row("e")], "event_id") is None
    with reading(engine) as connection:
        assert sorted(connection.execute(select(events.c.event_id)).scalars()) == list("abcde")
