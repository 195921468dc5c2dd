"""A thousand two-arm comparisons from moments: speed against floors and peers in the same run, tails, variance saved.

Run: OPENBLAS_NUM_THREADS=1 PYTHONPATH=src:tests python benchmarks/comparisons.py [speed] [tails] [variance]
Speed alternates each subject with its floor, in processor time of one thread; ratios are medians over rounds.
gbstats needs numpy < 2: it runs in an environment of its own, which this script builds, in a process that answers one
round at a time.
Tails and variance are seeded. Rows are appended to results.md.
"""

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from offerlab.stats import group_sequential, repeated, stagewise
from offerlab.stats.capping import capped, pooled_cap
from offerlab.stats.cuped import adjusted_differences
from offerlab.stats.effects import Effects
from offerlab.stats.group_sequential import Plan, boundaries
from offerlab.stats.looks import Rule
from offerlab.stats.means import mean_differences
from offerlab.stats.moments import Moments, from_values, stack
from offerlab.stats.peeking import safe_effects
from offerlab.stats.proportions import proportion_differences
from offerlab.stats.ratios import ratio_differences
from support.resampling import resample, tails
from support.retail import CUTS, customers_at, reassigned, retail

Array = NDArray[np.float64]
COMPARISONS = 1_000
ROUNDS = 11
SHARED = Path(os.environ.get("OFFERLAB_SHARED", "../shared")) / "data"
PEER = "gbstats==0.8.0"

GBSTATS = """
import sys, time
from gbstats.frequentist.tests import (
    FrequentistConfig, SequentialConfig, SequentialTwoSidedTTest, TwoSidedTTest
)
from gbstats.models.statistics import SampleMeanStatistic, RatioStatistic, RegressionAdjustedStatistic, compute_theta
import numpy as np
a = dict(np.load(sys.argv[1]))
def mean(n, s, q): return SampleMeanStatistic(n=int(n), sum=s, sum_squares=q)
def rows(kind):
    for i in range(len(a["n_c"])):
        pair = []
        for arm in "ct":
            n = int(a["n_" + arm][i])
            y = mean(n, a["y_" + arm][i], a["yy_" + arm][i])
            if kind in ("mean", "sequential"):
                pair.append(y)
            else:
                x = mean(n, a["x_" + arm][i], a["xx_" + arm][i])
                xy = a["xy_" + arm][i]
                both = dict(n=n, post_statistic=y, pre_statistic=x, post_pre_sum_of_products=xy, theta=0)
                if kind == "ratio":
                    both = dict(n=n, m_statistic=y, d_statistic=x, m_d_sum_of_products=xy)
                pair.append((RatioStatistic if kind == "ratio" else RegressionAdjustedStatistic)(**both))
        if kind == "cuped":
            theta = compute_theta(pair[0], pair[1])
            pair[0].theta = pair[1].theta = theta
        yield pair
for line in sys.stdin:
    kind = line.strip()
    start = time.process_time()
    test, config = TwoSidedTTest, FrequentistConfig(difference_type="relative")
    if kind == "sequential":
        test = SequentialTwoSidedTTest
        config = SequentialConfig(difference_type="relative", sequential_tuning_parameter=1200)
    for control, treatment in rows(kind):
        test(control, treatment, config).compute_result()
    print(time.process_time() - start, flush=True)
"""


def arms(rng: np.random.Generator) -> tuple[Moments, Moments]:
    """A thousand pairs of arms with revenue, a covariate that is also a denominator, and a conversion."""
    made: list[Moments] = []
    for shift in (0.0, 0.03):
        parts = []
        for _ in range(COMPARISONS):
            taste = rng.gamma(2, 0.5, 600)
            orders = 1.0 + rng.poisson(taste)
            revenue = (1 + shift) * orders * rng.gamma(2, 5, 600)
            converted = (rng.random(600) < 0.3 + shift).astype(np.float64)
            parts.append(from_values(("revenue", "orders", "converted"), np.column_stack([revenue, orders, converted])))
        made.append(stack(parts))
    return made[0], made[1]


def floor(control: Moments, treatment: Moments) -> tuple[Array, ...]:
    """What an analyst would write: Welch, its interval, and a log interval of the lift."""
    n_c, n_t = control.n, treatment.n
    m_c, m_t = control.mean[:, 0], treatment.mean[:, 0]
    v_c, v_t = control.second[:, 0, 0] / (n_c - 1) / n_c, treatment.second[:, 0, 0] / (n_t - 1) / n_t
    v = v_c + v_t
    df = v * v / (v_c**2 / (n_c - 1) + v_t**2 / (n_t - 1))
    error, gap, t = np.sqrt(v), m_t - m_c, stdtrit(v / v * df, 0.975)
    relative, log = np.sqrt(v_c / m_c**2 + v_t / m_t**2), np.log(m_t / m_c)
    p = 2 * stdtr(df, -np.abs(gap) / error)
    return p, gap - t * error, gap + t * error, np.expm1(log - t * relative), np.expm1(log + t * relative)


def same_formulas(v_c: Array, v_t: Array, k_c: Array, k_t: Array, m_c: Array, m_t: Array) -> tuple[Array, ...]:
    """The engine's own formulas with nothing around them: no checks, no fallback, eight secant steps for the ends."""
    z = float(ndtri(0.975))

    def statistic(top: Array, base: Array) -> tuple[Array, Array, Array, Array]:
        w, u = v_t / top**2, v_c / base**2
        s = np.sqrt(w + u)
        kappa, q = k_t / top**3 - k_c / base**3, w * w - u * u
        mean = -(w - u) / (2 * s) - (kappa - 2 * q) / (2 * s**3)
        skewness = (3 * q - 2 * kappa) / s**3
        b, value = -skewness / 6, np.log(top / base) / s
        g = value + b * value**2 + b**2 * value**3 / 3 - mean + skewness / 6
        return g, s, mean, skewness

    g, s, mean, skewness = statistic(m_t, m_c)
    targets = np.stack([np.full(len(m_c), z), np.full(len(m_c), -z)])
    t = targets + mean - skewness / 6
    c = np.cbrt(1 - skewness * t / 2)
    lift = np.expm1(np.log(m_t / m_c) - s * 3 * t / (c * c + c + 1))
    error = np.sqrt(v_c + v_t)
    x0 = np.zeros_like(targets) + (m_t - m_c)
    x1 = (m_t - m_c) - targets * error
    f0 = statistic(m_t - np.minimum(x0, 0), m_c + np.maximum(x0, 0))[0] - targets
    for _ in range(8):
        f1 = statistic(m_t - np.minimum(x1, 0), m_c + np.maximum(x1, 0))[0] - targets
        step = np.where(f1 == f0, 0.0, f1 * (x1 - x0) / np.where(f1 == f0, 1.0, f1 - f0))
        x0, f0, x1 = x1, f1, x1 - step
    return 2 * ndtr(-np.abs(g)), x1, lift


LOOK, PLANNED = 1_200.0, 2_400.0
PAST = [LOOK / 14 * look for look in range(1, 14)]
RULE = Rule("group", PLANNED)


def read_at_look(control: Moments, treatment: Moments, past_z: Array) -> Effects:
    """The default test of means, read at its 14th look under an O'Brien-Fleming-like plan."""

    def test(alpha: float) -> Effects:
        return mean_differences(control, treatment, alpha=alpha)

    return safe_effects(test, LOOK, RULE, PAST, past_z)[0]


def forget() -> None:
    """Empty what the engine keeps of a plan: the next reading is the first of its look."""
    for room in (group_sequential, repeated, stagewise):
        for kept in vars(room).values():
            if hasattr(kept, "cache_clear"):
                kept.cache_clear()


def bare_reading(z: Array, times: tuple[float, ...], bounds: Array) -> Callable[[], object]:
    """The same reading with nothing around it, its tables made ahead: for each z its p-value and its correction.

    Crossed or not, the repeated p-value by interpolation, the stagewise tail as one sum over the paths, the
    median-unbiased drift by interpolation.
    """
    quantiles = np.linspace(0.01, 8.4, 20)
    alphas = 2 * ndtr(-quantiles)
    at = np.array([boundaries(times, Plan(float(alpha)))[-1] for alpha in alphas])
    path = stagewise.course_of(times, list(bounds[:-1]))
    drifts, heights = stagewise._table(path)  # noqa: SLF001 - the floor has the same tables
    before = path.arriving[-1]
    gap, root = np.sqrt(times[-1] - before.time), np.sqrt(times[-1])

    def run() -> object:
        size = np.abs(z)
        crossed = size > bounds[-1]
        p = 2 * ndtr(-np.interp(size, at, quantiles))
        tail = path.above + (before.mass * ndtr((before.score - size[crossed, None] * root) / gap)).sum(axis=1)
        p[crossed] = 2 * tail
        return p, np.interp(size, heights, drifts) * root / size

    return run


def both(first: Callable[[], object], second: Callable[[], object]) -> Callable[[], object]:
    """One after the other."""
    return lambda: (first(), second())


def bare(control: Moments, treatment: Moments, kind: str) -> Callable[[], object]:
    """The same formulas from moments, for the mean, CUPED with one covariate, or the ratio."""

    def level(arm: Moments, a: Array | float, b: Array | float) -> tuple[Array, Array]:
        s, t = arm.second, arm.third
        two = a * a * s[:, 0, 0] + 2 * a * b * s[:, 0, 1] + b * b * s[:, 1, 1]
        three = (
            a**3 * t[:, 0, 0, 0] + 3 * a * a * b * t[:, 0, 0, 1] + 3 * a * b * b * t[:, 0, 1, 1] + b**3 * t[:, 1, 1, 1]
        )
        n = arm.n
        return np.asarray(two / (n - 1) / n), np.asarray(three / (n * (n - 1) * (n - 2)))

    def run() -> object:
        m_c, m_t = control.mean[:, 0], treatment.mean[:, 0]
        if kind in {"mean", "sequential"}:
            parts = [level(arm, 1.0, 0.0) for arm in (control, treatment)]
        elif kind == "cuped":
            theta = (control.second[:, 0, 1] + treatment.second[:, 0, 1]) / (
                control.second[:, 1, 1] + treatment.second[:, 1, 1]
            )
            gap = theta * (treatment.mean[:, 1] - control.mean[:, 1])
            m_c, m_t = m_c + gap / 2, m_t - gap / 2
            parts = [level(arm, 1.0, -theta) for arm in (control, treatment)]
        else:
            m_c, m_t = m_c / control.mean[:, 1], m_t / treatment.mean[:, 1]
            parts = [
                level(arm, 1 / arm.mean[:, 1], -m / arm.mean[:, 1]) for arm, m in ((control, m_c), (treatment, m_t))
            ]
        (v_c, k_c), (v_t, k_t) = parts
        return same_formulas(v_c, v_t, k_c, k_t, m_c, m_t)

    return run


def seconds(call: Callable[[], object]) -> float:
    """Processor time of one call: a machine that others use too does not decide."""
    start = time.process_time()
    call()
    return time.process_time() - start


class Peer:
    """gbstats in its own environment, one round per line."""

    def __init__(self, control: Moments, treatment: Moments, folder: Path) -> None:
        """Build the environment once per machine and hand over raw sums."""
        home = Path(tempfile.gettempdir()) / "offerlab-gbstats"
        if not (home / "bin" / "python").exists():
            venv.create(home, with_pip=True)
        subprocess.run([home / "bin" / "python", "-m", "pip", "install", "--quiet", PEER], check=True)  # noqa: S603  # our own
        sums: dict[str, Array] = {}
        for name, arm in (("c", control), ("t", treatment)):
            n, m, s = arm.n, arm.mean, arm.second
            sums |= {
                f"n_{name}": n,
                f"y_{name}": n * m[:, 0],
                f"x_{name}": n * m[:, 1],
                f"yy_{name}": s[:, 0, 0] + n * m[:, 0] ** 2,
                f"xx_{name}": s[:, 1, 1] + n * m[:, 1] ** 2,
                f"xy_{name}": s[:, 0, 1] + n * m[:, 0] * m[:, 1],
            }
        np.savez(folder / "sums.npz", allow_pickle=False, **{key: np.asarray(value) for key, value in sums.items()})
        script = folder / "peer.py"
        script.write_text(GBSTATS)
        self.process = subprocess.Popen(  # noqa: S603 - our own
            [home / "bin" / "python", script, folder / "sums.npz"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def round(self, kind: str) -> float:
        """Seconds for all comparisons of one kind."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(kind + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self) -> None:
        """End it."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def tea_tasting(control: Moments, treatment: Moments, kind: str) -> float:
    """Seconds per thousand comparisons, from a hundred."""
    import tea_tasting as tt  # type: ignore[import-untyped]  # noqa: PLC0415 - a peer, test-only, ships no types
    from tea_tasting.aggr import Aggregates  # type: ignore[import-untyped]  # noqa: PLC0415 - likewise

    metric: Any = {
        "mean": tt.Mean("y"),
        "cuped": tt.Mean("y", covariate="x"),
        "ratio": tt.RatioOfMeans("y", "x"),
    }[kind]
    few = COMPARISONS // 10
    pairs = []
    for i in range(few):
        pair = []
        for arm in (control, treatment):
            n = int(arm.n[i])
            cov = arm.second[i] / (n - 1)
            pair.append(
                Aggregates(
                    count_=n,
                    mean_={"y": float(arm.mean[i, 0]), "x": float(arm.mean[i, 1])},
                    var_={"y": float(cov[0, 0]), "x": float(cov[1, 1])},
                    cov_={("x", "y"): float(cov[0, 1])},
                )
            )
        pairs.append(pair)
    return 10 * seconds(lambda: [metric.analyze_aggregates(c, t) for c, t in pairs])


def speed() -> list[str]:
    """Each kind against the bare formulas, the plain floor, gbstats and tea-tasting."""
    control, treatment = arms(np.random.default_rng(1))
    past_z = np.random.default_rng(2).normal(0.3, 1.0, (len(PAST), COMPARISONS))
    one, two = (control.select(["revenue", "orders"]), treatment.select(["revenue", "orders"]))
    subjects: dict[str, Callable[[], Any]] = {
        "mean": lambda: mean_differences(one, two, alpha=0.05),
        "cuped": lambda: adjusted_differences(one, two, alpha=0.05, covariates=["orders"]).effects,
        "ratio": lambda: ratio_differences(one, two, alpha=0.05),
        "sequential": lambda: read_at_look(one, two, past_z),
    }
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        peer = Peer(one, two, Path(folder))
        for kind, mine in subjects.items():
            rows.append(against(kind, mine, one, two, peer))
        peer.close()
    shares = [
        (
            seconds(lambda: proportion_differences(control, treatment, alpha=0.05, column="converted")),
            seconds(lambda: floor(one, two)),
        )
        for _ in range(ROUNDS)
    ]
    mine_ms, its_ms = (1e3 * statistics.median(column) for column in zip(*shares, strict=True))
    rows.append(
        f"{COMPARISONS:,} proportions, Miettinen-Nurminen in difference and ratio: "
        f"{statistics.median(m / f for m, f in shares):.1f} x plain Welch ({mine_ms:.2f}, {its_ms:.2f} ms; goal 6)"
    )
    return rows


def against(kind: str, mine: Callable[[], Any], control: Moments, treatment: Moments, peer: Peer) -> str:
    """One kind of comparison against all that it is measured by, alternating."""
    same = bare(control, treatment, kind)
    if kind == "sequential":
        times = tuple(n / PLANNED for n in (*PAST, LOOK))
        same = both(same, bare_reading(mine().z, times, boundaries(times)))
    timed = [
        (
            seconds(mine),
            seconds(lambda: mine().rows()),
            seconds(same),
            peer.round(kind),
            seconds(lambda: floor(control, treatment)),
        )
        for _ in range(ROUNDS)
    ]
    arrays, rows, bare_, gbstats, plain = (1e3 * statistics.median(column) for column in zip(*timed, strict=True))
    to_bare, over, over_rows, to_plain = (
        statistics.median(r[i] / r[j] for r in timed) for i, j in ((0, 2), (3, 0), (3, 1), (0, 4))
    )
    if kind == "sequential":
        return (
            f"{COMPARISONS:,} means read at their 14th look (group sequential, p-values, median-unbiased estimates): "
            f"{to_bare:.1f} x the same formulas bare with the same tables (goal 8), {to_plain:.1f} x plain Welch; "
            f"{PEER} sequential takes {over:.0f} x (goal 20), against finished rows {over_rows:.1f} x (goal 5); "
            f"the first reading of a look, tables included, {first_of_a_look(mine)} "
            f"(ms: {arrays:.2f}, rows {rows:.2f}, bare {bare_:.2f}, plain {plain:.2f}, gbstats {gbstats:.0f})"
        )
    tasting = 1e3 * tea_tasting(control, treatment, kind) / arrays
    return (
        f"{COMPARISONS:,} {kind}: {to_bare:.1f} x the same formulas bare (goal 8), {to_plain:.1f} x plain Welch; "
        f"{PEER} takes {over:.0f} x (goal 20), against finished rows {over_rows:.1f} x (goal 5); "
        f"tea-tasting {version('tea-tasting')} {tasting:.0f} x (goal 100) "
        f"(ms: {arrays:.2f}, rows {rows:.2f}, bare {bare_:.2f}, plain {plain:.2f}, gbstats {gbstats:.0f})"
    )


def first_of_a_look(mine: Callable[[], Any]) -> str:
    """Seconds of processor time with nothing remembered of the plan."""
    found = []
    for _ in range(ROUNDS):
        forget()
        start = time.process_time()
        mine()
        found.append(time.process_time() - start)
    return f"{1e3 * statistics.median(found):.0f} ms once"


def tail_rows(times: int = 40_000) -> list[str]:
    """Each tail of difference and lift on real money."""
    hillstrom = pd.read_parquet(SHARED / "hillstrom_email.parquet")
    spend = {None: hillstrom["spend"].to_numpy()} | {
        name: part["spend"].to_numpy() for name, part in hillstrom.groupby("segment")
    }
    value = retail_value()
    cases = [
        (
            "A/A Hillstrom spend",
            spend[None],
            spend[None],
            ((5_000, 5_000), (20_000, 20_000), (45_000, 5_000), (90_000, 10_000)),
        ),
        (
            "Mens against none, Hillstrom spend",
            spend["No E-Mail"],
            spend["Mens E-Mail"],
            ((5_000, 5_000), (20_000, 20_000), (90_000, 10_000), (10_000, 90_000)),
        ),
        ("A/A Online Retail capped at p99", value, value, ((500, 500), (2_186, 2_186), (3_935, 437))),
    ]
    rng = np.random.default_rng(11)
    rows = []
    for name, base, top, sizes in cases:
        for n_c, n_t in sizes:
            c, t = (resample(rng, ("spend",), values[:, None], n, times) for values, n in ((base, n_c), (top, n_t)))
            effects = mean_differences(c, t, alpha=0.05)
            found = tails(effects, top.mean() - base.mean(), top.mean() / base.mean() - 1)
            spoken = "; ".join(f"{tail} {share:.2f} %" for tail, share in found.items())
            rows.append(f"{name}, {n_c:,} and {n_t:,}, {times:,} resamples: {spoken}; goal 1.8 to 3.3 %")
    return rows


def retail_value() -> Array:
    """Value per customer over the year, capped at p99 of non-zero."""
    value = retail(SHARED).groupby("CustomerID")["value"].sum().to_numpy(dtype=np.float64)
    return np.round(capped(value, pooled_cap(value)), 2)


def variance_rows(times: int = 2_000) -> list[str]:
    """What covariates save, by assigning the same customers again and again."""
    lines = retail(SHARED)
    rng = np.random.default_rng(12)
    rows = []
    for cap in (True, False):
        singles, ratios = [], []
        for cut in CUTS:
            table = customers_at(lines, cut, cap=cap)
            saved: dict[str, list[Array]] = {name: [] for name in ("raw", "single", "default")}
            for _ in range(times // 100):
                control, treatment = reassigned(rng, table, 100)
                names = list(table.columns)
                single = adjusted_differences(control, treatment, alpha=0.05, covariates=names[1:2])
                default = adjusted_differences(control, treatment, alpha=0.05, covariates=names[1:])
                saved["raw"].append(mean_differences(control, treatment, alpha=0.05).estimate)
                saved["single"].append(single.effects.estimate)
                saved["default"].append(default.effects.estimate)
            spread = {name: float(np.var(np.concatenate(parts))) for name, parts in saved.items()}
            singles.append(1 - spread["single"] / spread["raw"])
            ratios.append((1 - spread["default"] / spread["raw"]) / singles[-1])
        rows.append(
            f"variance saved on Online Retail, {'capped at p99' if cap else 'uncapped'}, {len(CUTS)} dates, "
            f"{times:,} re-randomisations: six covariates {statistics.median(ratios):.3f} x single CUPED (median; "
            f"{min(ratios):.3f} to {max(ratios):.3f}; goal {'1.05, median' if cap else '.95, each'}); single saves "
            f"{min(singles):.0%} to {max(singles):.0%}"
        )
    return rows


def main() -> None:
    """Run what is asked for, print, and append to results.md."""
    asked = sys.argv[1:] or ["speed", "tails", "variance"]
    parts: dict[str, Callable[[], list[str]]] = {"speed": speed, "tails": tail_rows, "variance": variance_rows}
    where = (
        f"numpy {version('numpy')}, scipy {version('scipy')}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}"
    )
    results = Path(__file__).parent / "results.md"
    for part in asked:
        for row in parts[part]():
            print(row)
            with results.open("a") as file:
                file.write(f"| {datetime.now(UTC):%Y-%m-%d} | comparisons | {row} | {where} |\n")


if __name__ == "__main__":
    main()
