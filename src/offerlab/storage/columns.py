"""Column types that behave alike on SQLite and PostgreSQL."""

from typing import Any

import msgspec
from sqlalchemy import BigInteger, Dialect, Integer, LargeBinary, String, Text, TypeDecorator

Number = BigInteger().with_variant(Integer, "sqlite")
"""An int64. SQLite's INTEGER is one already, and only that name makes a primary key its row id."""

Identifier = Text().with_variant(Text(collation="C"), "postgresql")
"""A text whose order matters: by code point on every database, whatever its language."""

Name = String(200)
"""A key, sku or word."""


class Document(TypeDecorator[Any]):
    """JSON text of plain values, written by msgspec: one byte form on both databases."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ANN401, ARG002 - SQLAlchemy's shape
        """Encode on the way in."""
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ANN401, ARG002 - SQLAlchemy's shape
        """Decode on the way out."""
        return None if value is None else msgspec.json.decode(value)


Digest = LargeBinary(32)
"""A hash."""
