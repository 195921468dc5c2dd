"""What looking early costs and keeps: speed against floors in the same run, and the proven error rates.

Run: PYTHONPATH=src:tests python benchmarks/sequential.py [--speed]
The speed part alternates each subject with its floor; ratios are medians over rounds. The rest is seeded. Rows are
appended to results.md. The same proofs, with limits, are slow tests: `tests/stats/test_sequential_calibration.py`.
"""

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from offerlab.stats import group_sequential, stagewise
from offerlab.stats.confidence_sequence import multiplier
from offerlab.stats.group_sequential import Plan, boundaries, rejection
from offerlab.stats.looks import Rule
from offerlab.stats.sequential import read_many
from support.courses import first_looks, gaussian_courses, resampled_courses

ROUNDS = 15
COMPARISONS = 1000
TIMES = np.arange(1, 29) / 28
FIXED = float(ndtri(0.975) + ndtri(0.8))
HILLSTROM = Path(os.environ.get("OFFERLAB_SHARED", "../shared")) / "data" / "hillstrom_email.parquet"
Array = NDArray[np.float64]


def seconds(call: Callable[[], object]) -> float:
    """One timed call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def ratio(call: Callable[[], object], floor: Callable[[], object]) -> tuple[float, float, float]:
    """Median of each round's ratio, median seconds of both; the two alternate."""
    call()
    floor()
    rounds = [(seconds(call), seconds(floor)) for _ in range(ROUNDS)]
    return (
        statistics.median(mine / its for mine, its in rounds),
        statistics.median(mine for mine, _ in rounds),
        statistics.median(its for _, its in rounds),
    )


def boundaries_cold() -> object:
    """20 equal looks, nothing remembered."""
    for cached in (group_sequential._bound, group_sequential._arriving, group_sequential._boundaries):  # noqa: SLF001  # the point
        cached.cache_clear()
    return boundaries(np.arange(1, 21) / 20)


def floor_of_a_reading(mean_c: Array, mean_t: Array, var_c: Array, var_t: Array) -> tuple[Array, ...]:
    """1,000 plain two-arm comparisons read by the sequence: absolute and relative interval, p."""
    error = np.sqrt(var_c + var_t)
    difference = mean_t - mean_c
    z = difference / error
    course = 0.5 * (-2 * np.log(0.05) + np.log1p(-2 * np.log(0.05)))
    width = np.sqrt(2 * (course + 1) / course * np.log(np.sqrt(course + 1) / 0.05))
    p = np.minimum(1.0, np.sqrt(course + 1) * np.exp(-(z**2) * course / (2 * (course + 1))))
    relative = np.sqrt(var_c / mean_c**2 + var_t / mean_t**2)
    lift = np.log(mean_t / mean_c)
    return (
        p,
        difference - width * error,
        difference + width * error,
        np.expm1(lift - width * relative),
        np.expm1(lift + width * relative),
        2 * ndtr(-np.abs(z)),
    )


def speed() -> list[str]:
    """Boundaries against `ndtr`, readings against their floor."""
    rng = np.random.default_rng(1)
    numbers = rng.standard_normal(100_000)
    rows = []
    times, mine, its = ratio(boundaries_cold, lambda: ndtr(numbers))
    rows.append(
        f"boundaries of 20 looks: {times:.1f} x one ndtr over 100,000 numbers "
        f"({mine * 1e3:.1f}, {its * 1e3:.2f} ms); goal 100 x"
    )
    z, past_z = rng.normal(0.5, 1.5, COMPARISONS), rng.normal(0.3, 1.0, (13, COMPARISONS))
    past_n = [float(428 * look) for look in range(1, 14)]
    mean_c, mean_t = rng.gamma(5.0, 2.0, COMPARISONS) + 5.0, rng.gamma(5.0, 2.0, COMPARISONS) + 5.0
    var = rng.gamma(5.0, 0.01, COMPARISONS)
    for kind in ("always", "group"):
        rule = Rule(kind, 12_000)
        times, mine, its = ratio(
            lambda rule=rule: read_many(z, 6000.0, rule, past_n, past_z),  # type: ignore[misc]  # bound now
            lambda: floor_of_a_reading(mean_c, mean_t, var, var),
        )
        rows.append(
            f"{COMPARISONS:,} z read at their 14th look, {kind}: {times:.1f} x a numpy floor of means and sequence "
            f"({mine * 1e3:.2f}, {its * 1e3:.2f} ms)"
        )
    return rows


def levels() -> list[str]:
    """Level and power of 28 looks, by the recursion and by 200,000 paths."""
    rows = []
    for spending in ("obrien_fleming", "pocock"):
        bounds = boundaries(TIMES, Plan(spending=spending))
        level, power = rejection(TIMES, bounds, 2, np.array([0.0, FIXED]))
        seen = [
            (np.abs(gaussian_courses(1, 200_000, TIMES, drift)) > bounds).any(axis=1).mean() for drift in (0.0, FIXED)
        ]
        rows.append(
            f"28 looks, {spending}: level {level:.4%} (200,000 paths {seen[0]:.2%}), "
            f"power {power:.2%} ({seen[1]:.2%}) where the fixed test has 80 %"
        )
    widths = multiplier(TIMES, 0.05)
    level, power = rejection(TIMES, widths, 2, np.array([0.0, FIXED]))
    rows.append(f"28 looks, confidence sequence, N* planned: level {level:.2%}, power {power:.1%}")
    return rows


def estimates() -> str:
    """Median and mean of the median-unbiased and of the plain estimate after stopping."""
    bounds, z = boundaries(TIMES), gaussian_courses(2, 200_000, TIMES, FIXED)
    hit = np.abs(z) > bounds
    stop = np.where(hit.any(axis=1), hit.argmax(axis=1), TIMES.size - 1)
    corrected, plain = np.empty(stop.size), np.empty(stop.size)
    for look in np.unique(stop):
        here, root = stop == look, np.sqrt(TIMES[look])
        path = stagewise.course_of(list(TIMES[: look + 1]), list(bounds[:look]))
        corrected[here], plain[here] = stagewise.median_unbiased(path, z[here, look]) / root, z[here, look] / root
    return (
        f"after stopping, over the truth: median-unbiased estimate median {np.median(corrected) / FIXED:.3f}, mean "
        f"{corrected.mean() / FIXED:.3f}; plain estimate {np.median(plain) / FIXED:.3f}, {plain.mean() / FIXED:.3f}"
    )


def sparse_revenue() -> list[str]:
    """Error rates on Hillstrom's spend."""
    values = pd.read_parquet(HILLSTROM)["spend"].to_numpy(dtype=np.float64)
    rows = []
    for share, planned in ((0.5, 20_000), (0.5, 50_000), (0.1, 60_000), (0.1, 100_000)):
        z, ready = resampled_courses(5, 40_000, values, planned=planned, share=share, looks=28)
        crossed, begun = np.zeros(3), 0
        for look, here in first_looks(ready):
            size, times = np.abs(z[here, look:]), TIMES[look:]
            begun += size.shape[0]
            for rule, bounds in enumerate(
                (boundaries(times), boundaries(times, Plan(spending="pocock")), multiplier(times, 0.05))
            ):
                crossed[rule] += (size > bounds).any(axis=1).sum()
        group, pocock, sequence = crossed / begun
        rows.append(
            f"A/A on Hillstrom spend, {share:.0%} treated, {planned:,} customers, 28 looks from 40 expected "
            f"converters, 40,000 resamples: O'Brien-Fleming-like {group:.2%}, Pocock-like {pocock:.2%}, "
            f"sequence {sequence:.2%}; goal 6, 6, 5 %"
        )
    return rows


def main() -> None:
    """Measure, print, and append rows to results.md."""
    rows = speed()
    if "--speed" not in sys.argv:
        rows += [*levels(), estimates()]
        rows += sparse_revenue() if HILLSTROM.is_file() else ["Hillstrom's data are absent: set OFFERLAB_SHARED"]
    where = f"numpy {version('numpy')}, scipy {version('scipy')}, Python {platform.python_version()}, "
    where += f"{os.cpu_count()} cores"
    book = Path(__file__).with_name("results.md")
    if not book.exists():
        book.write_text(
            "# Benchmark results\n\n| date | what | result | where |\n|---|---|---|---|\n", encoding="utf-8"
        )
    with book.open("a", encoding="utf-8") as page:
        for row in rows:
            print(row)
            page.write(f"| {datetime.now(tz=UTC):%Y-%m-%d} | looking early | {row} | {where} |\n")


if __name__ == "__main__":
    main()
