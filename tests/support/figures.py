"""What a proof saw, for people: printed, and with OFFERLAB_SAVE=1 written down as a row of `benchmarks/results.md`."""

import os
import platform
from datetime import UTC, datetime

from support.find import ROOT

RESULTS = ROOT / "benchmarks" / "results.md"


def note(what: str, line: str) -> None:
    """Keep one figure.

    Args:
        what: the table's second column.
        line: what was seen, with its goal.
    """
    print(f"{what}: {line}")
    if os.environ.get("OFFERLAB_SAVE") == "1":
        where = f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(f"| {datetime.now(UTC):%Y-%m-%d} | {what} | {line} | {where} |\n")
