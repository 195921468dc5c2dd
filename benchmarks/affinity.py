"""What the matching table costs and is worth: a real shop, a million baskets, every strategy, and how one was chosen.

Run: PYTHONPATH=src python benchmarks/affinity.py [shop|million|score|choose]

`shop`: Online Retail's 14,124 baskets x 2,516 items, counted, tested, ranked, explained; goal 5 s; measured against the
inversion of one table of that size by numpy, in the same run. `million`: 1,000,000 baskets x 20,000 items; goal 8 GiB.

`choose` looks only at baskets before the yardstick's split (2011-10-01). It splits those again by time, twice (train
before June, ask June and July; train before August, ask August and September), hides one item per basket with four
seeds, and improves one parameter after another from Steck's plain model, keeping what raises the mean discounted gain.
`score` answers the yardstick's own questions once with every strategy. All but `choose` write to the results.
"""

import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from msgspec.structs import replace
from scipy.sparse import csr_array, vstack

from offerlab.affinity.baskets import BasketRules, Baskets, from_columns
from offerlab.affinity.counting import Counts, count
from offerlab.affinity.ease import Ease
from offerlab.affinity.mining import mine
from offerlab.affinity.offline import Cases, compare, evaluate, hide_one
from offerlab.affinity.strategies import BEST, Confidence, Cosine, Count, ItemKnn, Jaccard, Lift, Popularity, Strategy

ROOT: Final = Path(__file__).resolve().parents[1]
GIB: Final = 2**30
CUT: Final = date(2011, 10, 1)
INNER: Final = ((date(2011, 6, 1), date(2011, 8, 1)), (date(2011, 8, 1), CUT))
GRID: Final[dict[str, tuple[float | None, ...]]] = {
    "ridge": (30.0, 45.0, 60.0, 100.0, 200.0),
    "size_exponent": (0.0, 0.25, 0.5, 0.75, 1.0),
    "half_life_days": (None, 100.0, 150.0, 200.0, 300.0),
    "target_exponent": (1.0, 0.95, 0.9, 0.85, 0.8),
    "customer_weight": (0.0, 0.2, 0.4, 0.8),
    "customer_size_exponent": (0.25, 0.5, 0.75),
    "dropout": (0.0, 0.1, 0.2, 0.3),
    "source_exponent": (0.0, 0.1, 0.2),
}
ROUNDS: Final = 2

Problem = tuple[Counts, Cases]


def shared(name: str) -> Path:
    """A file of real data: below `OFFERLAB_SHARED`, else in a folder `shared` beside the repository."""
    given = os.environ.get("OFFERLAB_SHARED")
    folders = [Path(given)] if given else [ROOT.parent / "shared", ROOT.parents[1] / "shared"]
    found = next((folder / "data" / name for folder in folders if (folder / "data" / name).is_file()), None)
    return found or sys.exit(f"data/{name} is in none of {', '.join(map(str, folders))}; set OFFERLAB_SHARED")


def real_baskets(*, since: date | None = None, until: date | None = None, fewest: int = 1) -> Baskets:
    """Online Retail 2011 as the yardstick has it: paid lines of products, no cancellations."""
    lines = pd.read_parquet(shared("online_retail_2011.parquet"))
    sold = (lines["Quantity"] > 0) & (lines["UnitPrice"] > 0) & ~lines["InvoiceNo"].str.startswith(("C", "A"))
    lines = lines[sold]
    _, basket = np.unique(lines["InvoiceNo"].to_numpy(str), return_inverse=True)
    codes, item = np.unique(lines["StockCode"].to_numpy(str), return_inverse=True)
    first = lines.groupby("InvoiceNo", sort=True).first()
    days = first["InvoiceDate"].to_numpy().astype("datetime64[D]").astype(np.int64) + date(1970, 1, 1).toordinal()
    return from_columns(
        basket,
        item,
        items=tuple(codes.tolist()),
        customers=first["CustomerID"].fillna(-1).to_numpy(np.int64),
        days=days,
        rules=BasketRules(
            is_product=lambda sku: sku[:5].isdigit(),
            fewest_baskets=fewest,
            since=since.toordinal() if since else None,
            until=until.toordinal() if until else None,
        ),
    )


def million(*, baskets: int = 1_000_000, items: int = 20_000, mean_size: float = 8.0) -> Baskets:
    """A shop of skewed popularity in which 5,000 pairs go together, seeded."""
    rng = np.random.default_rng(2011)
    sizes = rng.geometric(1 / mean_size, baskets)
    popularity = 1 / np.arange(10, items + 10) ** 0.8
    item = np.searchsorted(np.cumsum(popularity) / popularity.sum(), rng.uniform(size=int(sizes.sum())))
    basket = np.repeat(np.arange(baskets), sizes)
    partner = np.arange(items)
    pairs = rng.permutation(items)[:10_000].reshape(2, -1)
    partner[pairs[0]] = pairs[1]
    joined = (partner[item] != item) & (rng.uniform(size=item.size) < 0.3)
    return from_columns(
        np.concatenate([basket, basket[joined]]),
        np.concatenate([item, partner[item[joined]]]),
        items=tuple(f"{i:05}" for i in range(items)),
        customers=rng.integers(0, baskets // 4, baskets),
        days=rng.integers(734_000, 734_365, baskets),
    )


def best(call: Callable[[], object], rounds: int) -> float:
    """Seconds of the best of several rounds (the others were disturbed)."""
    seconds: list[float] = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def measure_shop() -> str:
    """The real shop before the yardstick's split."""
    baskets = real_baskets(until=CUT, fewest=20)
    table = np.random.default_rng(1).normal(size=(len(baskets.items),) * 2)
    table = table @ table.T + 100 * np.eye(len(table))
    ours, peer = best(lambda: mine(baskets), 5), best(lambda: np.linalg.inv(table), 5)
    return (
        f"{baskets.count:,} baskets x {len(baskets.items):,} items, counted, tested, ranked, explained: {ours:.2f} s, "
        f"{ours / peer:.1f} x numpy's inverse of one such table ({peer:.2f} s); goal 5 s"
    )


def measure_million() -> str:
    """A million baskets; the peak is that of the whole process, data included."""
    baskets = million()
    start, worked = time.perf_counter(), time.process_time()
    build = mine(baskets)
    seconds, worked = time.perf_counter() - start, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB
    return (
        f"{baskets.count:,} baskets x {len(baskets.items):,} items ({baskets.table.nnz:,} lines): {seconds:.0f} s, "
        f"{worked:.0f} s of processor time, peak {peak:.2f} GiB, {len(build.matches):,} matches; goal 8 GiB"
    )


def inner_problems() -> list[Problem]:
    """Counts and questions of the two splits inside the time before the cut."""
    problems: list[Problem] = []
    for split, end in INNER:
        train = real_baskets(until=split, fewest=20)
        test = real_baskets(since=split, until=end)
        asked = [hide_one(test, train.items, np.random.default_rng(seed)) for seed in (7, 1, 2, 3)]
        visible, hidden = (csr_array(vstack([getattr(case, side) for case in asked])) for side in ("visible", "hidden"))
        problems.append((count(train), Cases(visible, hidden, np.concatenate([case.customers for case in asked]))))
    return problems


def merit(problems: list[Problem], strategy: Strategy) -> tuple[float, float]:
    """Mean discounted gain and hit rate over the splits."""
    figures = [evaluate(counts, strategy, cases, np.random.default_rng(1)) for counts, cases in problems]
    return float(np.mean([f.ndcg.estimate for f in figures])), float(np.mean([f.hit_rate.estimate for f in figures]))


def choose() -> None:
    """One parameter after the other, twice around."""
    problems = inner_problems()
    chosen = Ease()
    best = merit(problems, chosen)
    print(f"plain: gain {best[0]:.4f}, hits {best[1]:.4f}", flush=True)
    for _ in range(ROUNDS):
        for name, values in GRID.items():
            for value in values:
                changes: dict[str, Any] = {name: value}
                tried = replace(chosen, **changes)
                if tried != chosen and (found := merit(problems, tried)) > best:
                    chosen, best = tried, found
            print(f"{name}: {getattr(chosen, name)}, gain {best[0]:.4f}, hits {best[1]:.4f}", flush=True)
    ours = merit(problems, BEST)
    print(f"{chosen}\nthe default on the same questions: gain {ours[0]:.4f}, hits {ours[1]:.4f}")


def measure_strategies() -> list[str]:
    """Every strategy on the yardstick's own questions."""
    train = real_baskets(until=CUT, fewest=20)
    cases = hide_one(real_baskets(since=CUT), train.items, np.random.default_rng(7))
    strategies: dict[str, Strategy] = {
        "the default": BEST,
        "EASE, ridge 100": Ease(),
        "item-kNN": ItemKnn(),
        "Jaccard": Jaccard(),
        "cosine": Cosine(),
        "confidence": Confidence(),
        "count": Count(),
        "lift": Lift(),
        "popularity": Popularity(),
    }
    table = compare(count(train), strategies, cases, np.random.default_rng(1))
    return [
        f"offline, {name}: HR@10 {s.hit_rate.estimate:.4f} "
        f"[{s.hit_rate.lower:.4f}, {s.hit_rate.upper:.4f}], NDCG@10 {s.ndcg.estimate:.4f} "
        f"[{s.ndcg.lower:.4f}, {s.ndcg.upper:.4f}], MRR {s.mrr.estimate:.4f}, coverage {s.coverage:.3f}"
        + ("; goal .345, .212" if name == "the default" else "")
        for name, s in table.items()
    ]


def main(which: str) -> None:
    """Measure, print, and add rows to the results."""
    if which == "choose":
        choose()
        return
    found = {"shop": lambda: [measure_shop()], "million": lambda: [measure_million()], "score": measure_strategies}
    where = f"numpy {version('numpy')}, scipy {version('scipy')}, {platform.python_version()}, {os.cpu_count()} cores"
    results = found[which]()
    where += f", load {os.getloadavg()[0]:.0f}"
    rows = [f"| {datetime.now(UTC):%Y-%m-%d} | affinity | {result} | {where} |" for result in results]
    print("\n".join(rows))
    with (ROOT / "benchmarks/results.md").open("a", encoding="utf-8") as file:
        file.writelines(row + "\n" for row in rows)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "shop")
