"""The floor of `intake.py` on PostgreSQL: a loop that inserts the same rows with asyncpg and unnested arrays.

    python intake_asyncpg.py SOCKET_FOLDER USER DATABASE

Runs in an environment of its own that has asyncpg. Each line on its input, `COMMIT_SIZE SECONDS`, is answered with a
line `EVENTS_PER_SECOND PROCESSOR_MICROSECONDS_PER_EVENT`; the processor's time is the client's.
"""

import asyncio
import importlib
import sys
import time
from typing import Any, Final

asyncpg: Any = importlib.import_module("asyncpg")

KINDS: Final = ("view", "view", "view", "view", "view", "offer", "offer", "cart", "order", "order")
"""As `intake.py` sends them: of ten events two are orders, of two lines."""

TABLES: Final = """
CREATE TABLE e(seq bigserial PRIMARY KEY, p bigint, id text COLLATE "C", type text, c bigint, at bigint, r bigint,
  d bytea, UNIQUE(p, id));
CREATE TABLE i(p bigint, id text COLLATE "C", type text, c bigint, x bigint, v int, o text, s text, n float8, b text,
  at bigint, r bigint, PRIMARY KEY(p, id));
CREATE TABLE o(p bigint, id text COLLATE "C", oid text, c bigint, cur text, net bigint, ship bigint, tax bigint, n int,
  code text, rev bigint, at bigint, r bigint, PRIMARY KEY(p, id));
CREATE TABLE l(p bigint, id text COLLATE "C", pos int, lid text, sku text, q bigint, price bigint, net bigint,
  off bigint, cost bigint, o text, PRIMARY KEY(p, id, pos));
CREATE INDEX e1 ON e(c, seq); CREATE INDEX i1 ON i(c, type, at); CREATE INDEX o1 ON o(c, at); CREATE INDEX o2 ON o(oid);
"""
TYPES: Final = {
    "e(p, id, type, c, at, r, d)": "bigint text text bigint bigint bigint bytea",
    "i": "bigint text text bigint bigint int text text float8 text bigint bigint",
    "o": "bigint text text bigint text bigint bigint bigint int text bigint bigint bigint",
    "l": "bigint text int text text bigint bigint bigint bigint bigint text",
}


def statement(table: str, types: str) -> str:
    """One insert over arrays."""
    arrays = ", ".join(f"${i}::{kind}[]" for i, kind in enumerate(types.split(), 1))
    return f"INSERT INTO {table} SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING"  # noqa: S608 - our own


def rows(first: int, size: int, run: str) -> list[list[tuple[Any, ...]]]:
    """Rows of the four tables for so many events."""
    now = time.time_ns() // 1000
    heads, acts, orders, lines = [], [], [], []
    for n in range(first, first + size):
        kind, name, customer = KINDS[n % 10], f"{run}-{n}", n * 7919 % 20_000
        heads.append((1, name, kind, customer, now, now, b"0123456789abcdef"))
        if kind == "order":
            orders.append((1, name, name, customer, "USD", 0, 0, 0, 2, None, 0, now, now))
            lines += [(1, name, i, str(i), f"sku-{n % 300}", 1, 1, 1, 0, None, None) for i in range(2)]
        else:
            acts.append((1, name, kind, customer, None, None, "offer-1", f"sku-{n % 300}", None, None, now, now))
    return [heads, acts, orders, lines]


async def main() -> None:
    """Answer what is asked."""
    connection = await asyncpg.connect(host=sys.argv[1], user=sys.argv[2], database=sys.argv[3])
    await connection.execute(TABLES)
    prepared = [await connection.prepare(statement(table, types)) for table, types in TYPES.items()]
    for asked, line in enumerate(sys.stdin):
        size, seconds = int(line.split()[0]), float(line.split()[1])
        begun, used, done = time.monotonic(), time.process_time(), 0
        while time.monotonic() - begun < seconds:
            parts = rows(done, size, f"run{asked}")
            async with connection.transaction():
                for insert, part in zip(prepared, parts, strict=True):
                    if part:
                        await insert.fetch(*(list(column) for column in zip(*part, strict=True)))
            done += size
        elapsed, cpu = time.monotonic() - begun, time.process_time() - used
        print(f"{done / elapsed:.1f} {cpu / done * 1e6:.3f}", flush=True)


asyncio.run(main())
