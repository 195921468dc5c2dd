"""What `offerlab import orders` costs: a million lines, from the file to orders, profiles and the register.

Run: PYTHONPATH=src python benchmarks/importing.py [lines]

Both sides in one run: the command as a shop runs it, and a raw loop that reads the same file with the standard library
and inserts the same orders and lines, nothing checked, nothing folded, with as many commits on the same disk.
"""

import csv
import os
import platform
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # carries no types
from pyarrow import parquet

ROOT: Final = Path(__file__).resolve().parents[1]
CHUNK: Final = 250
COUNTS: Final = ("SELECT count(*) FROM orders", "SELECT count(*) FROM order_lines")
HEAD: Final = ("order_id", "customer_id", "occurred_at", "sku", "quantity", "unit_price")


def make(path: Path, lines: int) -> None:
    """Four lines to an order, 2.5 orders to a customer, two years; seeded."""
    rng = np.random.default_rng(5)
    orders = lines // 4
    buyers, days = rng.integers(0, max(orders * 2 // 5, 1), orders), rng.integers(0, 700, orders)
    skus, prices = rng.integers(0, 3_000, lines), rng.integers(100, 90_000, lines)
    start = np.datetime64("2024-09-01")
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEAD)
        for i in range(orders):
            at = f"{start + days[i]}T10:00:00Z"
            for k in range(4):
                n = 4 * i + k
                writer.writerow((f"o{i}", f"c{buyers[i]}", at, f"sku-{skus[n]}", 1 + n % 3, prices[n]))


def as_parquet(path: Path) -> Path:
    """The same sheet in columns."""
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    table = pa.table({name: [row[i] for row in rows[1:]] for i, name in enumerate(rows[0])})
    parquet.write_table(table, path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


def raw(path: Path, folder: Path) -> None:
    """The floor: read, group, insert."""
    store = sqlite3.connect(folder / "raw.db", isolation_level=None)
    store.executescript(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "CREATE TABLE orders (order_id TEXT PRIMARY KEY, customer TEXT, at TEXT, net INTEGER) WITHOUT ROWID;"
        "CREATE TABLE lines (order_id TEXT, position INTEGER, sku TEXT, quantity INTEGER, price INTEGER,"
        " PRIMARY KEY (order_id, position)) WITHOUT ROWID;"
    )
    with path.open(newline="") as file:
        reader = csv.reader(file)
        next(reader)
        for part in _chunks((list(rows) for _, rows in groupby(reader, key=lambda row: row[0]))):
            store.execute("BEGIN IMMEDIATE")
            heads = [(o[0][0], o[0][1], o[0][2], sum(int(r[4]) * int(r[5]) for r in o)) for o in part]
            store.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", heads)
            lines = [(r[0], i, r[3], int(r[4]), int(r[5])) for o in part for i, r in enumerate(o)]
            store.executemany("INSERT INTO lines VALUES (?, ?, ?, ?, ?)", lines)
            store.execute("COMMIT")
    store.close()


def _chunks(orders: Iterator[list[list[str]]]) -> Iterator[list[list[list[str]]]]:
    while part := list(islice(orders, CHUNK)):
        yield part


def imported(path: Path, folder: Path) -> None:
    """The command."""
    command = [sys.executable, "-m", "offerlab.cli", "import", "orders", str(path), "--data-dir", str(folder)]
    subprocess.run(  # noqa: S603 - our own program
        command, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}
    )


def spent(work: Callable[[Path, Path], None], path: Path, folder: Path) -> tuple[float, float, float]:
    """Processor seconds, seconds by the clock, and the most memory in MB, of a process of its own."""
    folder.mkdir()
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        work(path, folder)
        most = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        (folder / "most").write_text(str(most))
        os._exit(0)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise RuntimeError(f"{work.__name__} failed")
    return usage.ru_utime + usage.ru_stime, time.monotonic() - begun, int((folder / "most").read_text()) / 1024


def main() -> None:
    """Print the figures."""
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "orders.csv"
        make(path, lines)
        floor = spent(raw, path, folder / "raw")
        for sheet in (path, as_parquet(path)):
            cpu, wall, most = spent(imported, sheet, folder / sheet.suffix[1:])
            with sqlite3.connect(folder / sheet.suffix[1:] / "offerlab.db") as store:
                found = [store.execute(query).fetchone()[0] for query in COUNTS]
            if found != [lines // 4, lines // 4 * 4]:
                raise RuntimeError(f"{found} orders and lines arrived")
            print(
                f"{sheet.suffix[1:]}: {lines:,} lines in {found[0]:,} orders: {cpu:.1f} s of processor time,"
                f" {wall:.0f} s by the clock, {most:.0f} MB at most; {cpu / floor[0]:.1f} x a raw loop"
                f" ({floor[0]:.1f} s, {floor[1]:.0f} s by the clock);"
                f" Python {platform.python_version()}, {os.cpu_count()} cores,"
                f" load {os.getloadavg()[0]:.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
