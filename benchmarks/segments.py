"""What a preview of a large shop costs: profiles to columns, and a rule read for a million customers.

Run: PYTHONPATH=src python benchmarks/segments.py [customers]

Both sides in one run. Columns are measured against merely reading and decoding the same profiles from the same store; a
rule in columns against the same comparisons written by hand in numpy, and against its own closure customer by customer.
"""

import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from sqlalchemy import Engine, insert, text

from offerlab.assignment.columns import Truths, select
from offerlab.assignment.crowd import Crowd, crowd_of
from offerlab.assignment.profile import attributes_of
from offerlab.assignment.rules import compile_rule, reads
from offerlab.domain.clock import DAY
from offerlab.domain.customer import CustomerState, Profile
from offerlab.domain.segment import parse_rule
from offerlab.storage import schema
from offerlab.storage.database import open_engine, reading, writing
from offerlab.storage.profiles import every_profile
from offerlab.storage.projects import add
from offerlab.storage.tables import profiles

ROOT: Final = Path(__file__).resolve().parents[1]
NOW: Final = 1_790_000_000_000_000
SAMPLE: Final = 100_000
RULE: Final = parse_rule(
    {
        "all": [
            {"attribute": "orders_count", "op": "gte", "value": 2},
            {"attribute": "spend_total", "op": "gte", "value": 100},
            {"attribute": "days_since_last_order", "op": "lte", "value": 90},
            {
                "any": [
                    {"attribute": "country", "op": "in", "value": ["KR", "JP"]},
                    {"attribute": "level", "op": "gt", "value": 3},
                ]
            },
        ]
    }
)


def fill(engine: Engine, customers: int) -> None:
    """Profiles of a shop: 0 to 5 orders, a country, a level, what they own and looked at; seeded."""
    rng = np.random.default_rng(6)
    encoder = msgspec.msgpack.Encoder(order="deterministic")
    with writing(engine) as connection:
        project = add(connection, key="default", name="", currency="USD", secret=b"s" * 32, now=NOW)
        for start in range(0, customers, 50_000):
            rows = []
            size = min(50_000, customers - start)
            orders, countries, levels = rng.integers(0, 6, size), rng.integers(0, 5, size), rng.integers(0, 6, size)
            for i in range(size):
                times = [NOW - int(day) * DAY for day in rng.integers(1, 700, orders[i])]
                owned = {f"sku-{sku}": NOW - DAY for sku in rng.integers(0, 2_500, orders[i])}
                profile = Profile(
                    orders={f"{start + i}-{n}": (at, 4_000, 0, at) for n, at in enumerate(times)},
                    owned=owned,
                    viewed={f"sku-{sku}": NOW - DAY for sku in rng.integers(0, 2_500, 2)},
                    attributes={
                        "country": (NOW, ("KR", "JP", "US", "DE", "FR")[countries[i]]),
                        "level": (NOW, int(levels[i])),
                    },
                    consents={"email:marketing": (NOW, bool(i % 2))},
                )
                body = encoder.encode(profile)
                rows.append({"customer": start + i + 1, "project_id": project.id, "body": body, "updated_at": NOW})
            connection.execute(insert(profiles), rows)


def seconds(call: Callable[[], Any], rounds: int = 3) -> tuple[float, Any]:
    """CPU seconds of the best of several rounds (other work on the machine takes none), and what came out."""
    best, found = float("inf"), None
    for _ in range(rounds):
        start = time.process_time()
        found = call()
        best = min(best, time.process_time() - start)
    return best, found


def decoded(engine: Engine) -> int:
    """Read and decode every profile, and nothing more."""
    decoder = msgspec.msgpack.Decoder(Profile)
    with reading(engine) as connection:
        rows = connection.execution_options(yield_per=10_000).execute(text("SELECT body FROM profiles"))
        return sum(isinstance(decoder.decode(body), Profile) for part in rows.partitions(10_000) for (body,) in part)


def columns(engine: Engine) -> Crowd:
    """Every profile as columns."""
    with reading(engine) as connection:
        return crowd_of(every_profile(connection, 1), reads(RULE), now=NOW, currency="USD")


def by_hand(crowd: Crowd) -> Truths:
    """The same rule, written by somebody who knows the columns."""
    orders, spend = crowd.columns["orders_count"].values, crowd.columns["spend_total"].values
    since, level = crowd.columns["days_since_last_order"], crowd.columns["level"].values
    country: Any = crowd.columns["country"].values
    numbers: Any = (orders, spend, since.values, level)
    lately = since.present & (numbers[2] <= 90)
    held: Truths = (
        (numbers[0] >= 2) & (numbers[1] >= 100) & lately & ((country == "KR") | (country == "JP") | (numbers[3] > 3))
    )
    return held


def one_by_one(engine: Engine) -> int:
    """The closure for a sample of the customers, attributes folded for each."""
    holds, found = compile_rule(RULE), 0
    with reading(engine) as connection:
        for place, profile in enumerate(every_profile(connection, 1)):
            if place == SAMPLE:
                break
            state = CustomerState(profile=profile)
            found += holds(attributes_of(state, {}, now=NOW, currency="USD", folded=True), NOW)
    return found


def main(customers: int) -> None:
    """Measure, print, and add the rows to the results."""
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{folder}/shop.db")
        schema.upgrade(engine)
        fill(engine, customers)
        floor, count = seconds(lambda: decoded(engine), 2)
        ours, crowd = seconds(lambda: columns(engine), 2)
        assert count == crowd.customers == customers
        ruled, members = seconds(lambda: select(RULE, crowd.columns, customers=customers, now=NOW), 5)
        bare, expected = seconds(lambda: by_hand(crowd), 5)
        assert np.array_equal(members, expected)
        single, held = seconds(lambda: one_by_one(engine), 1)
        assert held == int(members[:SAMPLE].sum())
        engine.dispose()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    each = single / min(SAMPLE, customers) * customers
    load = os.getloadavg()[0]
    where = f"numpy {version('numpy')}, Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.0f}"
    built = (
        f"{customers:,} profiles to columns: {ours / floor:.1f} x merely reading and decoding them "
        f"({ours:.1f}, {floor:.1f} CPU s), peak {peak:.1f} GiB; goal seconds"
    )
    read = (
        f"a rule of 5 conditions for {customers:,} customers: {ruled / bare:.1f} x the same comparisons by hand in "
        f"numpy ({1000 * ruled:.0f}, {1000 * bare:.0f} ms), one {each / ruled:.0f}th of reading it one by one"
    )
    results = [built, read]
    rows = [f"| {datetime.now(UTC):%Y-%m-%d} | segments | {result} | {where} |" for result in results]
    print("\n".join(rows))
    with (ROOT / "benchmarks/results.md").open("a", encoding="utf-8") as file:
        file.writelines(row + "\n" for row in rows)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
