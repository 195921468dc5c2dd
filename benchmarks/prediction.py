"""What a prediction learnt on earlier windows saves on Online Retail, by re-randomisation, never in-sample R².

Run: PYTHONPATH=src:tests python benchmarks/prediction.py
At each of seven dates: a forest learns 28-day spend from windows that had closed by then; its prediction joins the six
covariates from moments. Then the same customers are assigned again and again, and the variance of each estimate is
what it is. Outcome and covariates are capped at p99 of non-zero. Rows are appended to results.md.
"""

import os
import platform
import statistics
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

import offerlab
from offerlab.stats.cuped import adjusted_differences
from offerlab.stats.means import mean_differences
from support.retail import CUTS, customers_at, earlier_windows, history_at, orders_of, reassigned, retail

SHARED = Path(os.environ.get("OFFERLAB_SHARED", "../shared")) / "data"


def saved_at(lines: pd.DataFrame, cut: str, rng: np.random.Generator, times: int) -> tuple[float, float, float, float]:
    """Shares of variance saved by single CUPED, the six covariates, the prediction alone, and all together."""
    table = customers_at(lines, cut, cap=True)
    orders = orders_of(lines)
    known, spend = earlier_windows(orders, cut)
    model = offerlab.learn(known.assign(spend_next=spend), "spend_next", list(known.columns), cap=None)
    table["predicted"] = model.predict(history_at(orders, pd.Timestamp(cut)).reindex(table.index))
    six = [name for name in table.columns if name not in {"spend", "predicted"}]
    chosen = {"single": six[:1], "six": six, "predicted": ["predicted"], "together": ["predicted", *six]}
    estimates: dict[str, list[float]] = {name: [] for name in ("raw", *chosen)}
    for _ in range(times // 100):
        control, treatment = reassigned(rng, table, 100)
        estimates["raw"] += mean_differences(control, treatment, alpha=0.05).estimate.tolist()
        for name, covariates in chosen.items():
            said = adjusted_differences(control, treatment, alpha=0.05, covariates=covariates)
            estimates[name] += said.effects.estimate.tolist()
    spread = {name: float(np.var(found)) for name, found in estimates.items()}
    single, six_, alone, together = (1 - spread[name] / spread["raw"] for name in chosen)
    return single, six_, alone, together


def main(times: int = 6_000) -> None:
    """Measure, print, append."""
    lines, rng = retail(SHARED), np.random.default_rng(13)
    found = [saved_at(lines, cut, rng, times) for cut in CUTS]
    six, alone, together = ([one[i] / one[0] for one in found] for i in (1, 2, 3))
    said = [
        f"{statistics.median(part):.3f} x (median; {min(part):.3f} to {max(part):.3f}" for part in (together, alone)
    ]
    row = (
        f"variance saved on Online Retail, capped at p99, {len(CUTS)} dates, {times:,} re-randomisations, over single "
        f"CUPED: prediction with the six covariates {said[0]}; goal 1.25), prediction alone {said[1]}), "
        f"the six without it {statistics.median(six):.3f} x"
    )
    where = f"numpy {version('numpy')}, Python {platform.python_version()}, {os.cpu_count()} cores"
    print(row)
    with Path(__file__).with_name("results.md").open("a", encoding="utf-8") as page:
        page.write(f"| {datetime.now(UTC):%Y-%m-%d} | prediction | {row} | {where} |\n")


if __name__ == "__main__":
    main()
