"""Error rates of the checks, corrections, segments and priors, measured; seeded, no timing.

Run: PYTHONPATH=src:tests python benchmarks/trust_and_families.py [part ...]
Parts are the functions below that return rows; by default all. Rows are appended to
results.md. The same proofs, with limits, are the slow tests beside each module's.
"""

import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from offerlab.stats.adaptive import adaptive_difference
from offerlab.stats.bayesian import posterior
from offerlab.stats.dunnett import dunnett
from offerlab.stats.heterogeneity import heterogeneity, pool
from offerlab.stats.multiplicity import adjust
from offerlab.stats.prior import learn_prior
from offerlab.stats.srm import check_split, watch_split
from support.bandits import bandits
from support.families import family_crossings

if TYPE_CHECKING:
    from collections.abc import Callable

Array = NDArray[np.float64]
Row = tuple[str, str]


def told(what: str, row: str) -> Row:
    """One line of the book."""
    return what, row


def split_at_one_look() -> Row:
    """Chi-square: honest and broken splits."""
    rng = np.random.default_rng(7)
    honest = rng.binomial(50_000, 0.5, size=2_000_000)
    values, times = np.unique(honest, return_counts=True)
    alarms = sum(
        int(t) for v, t in zip(values, times, strict=True) if not check_split([int(v), 50_000 - int(v)], [1, 1]).is_ok
    )
    first = sum(not check_split([int(n), 50_000 - int(n)], [1, 1]).is_ok for n in honest[:2_000])
    broken = rng.binomial(50_000, 0.48, size=2_000)
    caught = sum(not check_split([int(n), 50_000 - int(n)], [1, 1]).is_ok for n in broken)
    return told(
        "sample ratio",
        f"chi-square, n = 50,000: {alarms / honest.size:.3%} alarms in 2,000,000 honest splits ({first} in the first "
        f"2,000; goal .1 %), 48 to 52 caught {caught / 2_000:.1%}",
    )


def split_at_every_look() -> Row:
    """Anytime multinomial read daily, with two changes of the allocation; and how soon it catches."""
    rng, sims, alarms, peeked = np.random.default_rng(20_261_122), 20_000, 0, 0
    weights = np.repeat([[0.5, 0.3, 0.2], [0.2, 0.3, 0.5], [0.1, 0.8, 0.1]], [14, 21, 21], axis=0)
    for i in range(sims):
        days = rng.multinomial(3_000 if i % 2 else 30, weights)
        alarms += int(watch_split(days, weights)[-1] < 0.001)
        if i < 2_000:
            peeked += any(not check_split(days[: k + 1], weights[: k + 1]).is_ok for k in range(56))
    found = []
    for _ in range(500):
        days = rng.multinomial(2_000, [0.48, 0.52], size=60)
        found.append(int(np.argmax(watch_split(days, [0.5, 0.5]) < 0.001) + 1) * 2_000)
    return told(
        "sample ratio",
        f"every day for 56 days, allocation changed twice, 20,000 honest experiments: anytime {alarms / sims:.3%}, "
        f"chi-square at each look {peeked / 2_000:.2%} (of 2,000); 48 to 52 found by the anytime test after "
        f"{np.median(found):,.0f} units (median)",
    )


def families() -> list[Row]:
    """Holm, BH and Dunnett under dependence; coverage of the selected intervals."""
    rng, sims, rows = np.random.default_rng(3), 20_000, []
    true = np.r_[np.full(3, 3.0), np.zeros(7)]
    for correlation in (0.0, 0.5, 0.9):
        shared, own = rng.standard_normal((sims, 1)), rng.standard_normal((sims, 10))
        z = true + np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own
        wrong = discovery = missed = 0.0
        for row, p in zip(z, 2 * ndtr(-np.abs(z)), strict=True):
            wrong += float(adjust(p, method="holm").rejected[3:].any())
            found = adjust(p, method="bh")
            count = max(int(found.rejected.sum()), 1)
            discovery += int(found.rejected[3:].sum()) / count
            half = -ndtri(found.interval_alpha / 2)
            missed += int((found.rejected & (np.abs(row - true) > half)).sum()) / count
        rows.append(
            told(
                "many questions",
                f"10 metrics, 3 with an effect, correlation {correlation:g}, 20,000 runs: Holm's familywise error "
                f"{wrong / sims:.2%}, BH's false discoveries {discovery / sims:.2%}, selected intervals that miss "
                f"{missed / sims:.2%}; goal 5 %",
            )
        )
    arms, shared = rng.standard_normal((sims, 4)), rng.standard_normal((sims, 1))
    loadings = np.full(4, np.sqrt(0.5))
    p = 2 * ndtr(-np.abs(loadings * shared + np.sqrt(0.5) * arms))
    critical = float(dunnett(p[:1], loadings[np.newaxis]).interval_alpha[0, 0])
    exact, plain = (p.min(axis=1) <= critical).mean(), (p.min(axis=1) <= 0.05 / 4).mean()
    rows.append(
        told(
            "many questions",
            f"4 arms of the control's size, no effect, 20,000 runs: Dunnett's familywise error {exact:.2%}, "
            f"Bonferroni's {plain:.2%}; goal 5 %",
        )
    )
    return rows


def arms_at_every_look() -> list[Row]:
    """Several arms against one control, looked at again and again: Dunnett's level, spent over the looks."""
    rows: list[Row] = []
    for arms, looks in ((2, 28), (4, 5), (4, 28), (8, 28)):
        crossed = {name: family_crossings(arms, looks, name) for name in ("obrien_fleming", "sequence")}
        group, always = (float(np.mean(any_arm)) for any_arm in crossed.values())
        rows.append(
            told(
                "many questions",
                f"{arms} arms of the control's size, no effect, {looks} looks, 200,000 paths: Dunnett's level spent "
                f"O'Brien-Fleming-like {group:.2%}, as confidence sequences {always:.2%}; goal 5 % + 3 standard errors "
                "(5.15 %)",
            )
        )
    return rows


def plug_in(d: Array, s: Array, tau: Array) -> tuple[Array, Array]:
    """The usual partial pooling: one estimate of tau taken as known."""
    total = tau[:, np.newaxis] ** 2 + s**2
    mean = ((d / total).sum(axis=1) / (1 / total).sum(axis=1))[:, np.newaxis]
    kept = tau[:, np.newaxis] ** 2 / total
    return mean + kept * (d - mean), np.sqrt(kept * s**2 + (1 - kept) ** 2 / (1 / total).sum(axis=1, keepdims=True))


def segments() -> list[Row]:
    """Level of the interaction test; coverage and squared error of shrunk effects."""
    rows: list[Row] = []
    levels = []
    for count in (2, 5, 20):
        rng = np.random.default_rng(count)
        s = rng.uniform(0.2, 2.0, (200_000, count))
        levels.append(float(np.mean(heterogeneity(0.3 + s * rng.standard_normal(s.shape), s).p_value < 0.05)))
    rows.append(
        told(
            "segments",
            "interaction test, 2, 5 and 20 equal segments, 200,000 runs each: "
            + ", ".join(f"{level:.2%}" for level in levels)
            + "; goal 5 %",
        )
    )
    for count in (3, 10):
        for tau in (0.0, 0.5, 1.0, 3.0):
            rng = np.random.default_rng(10 * count + int(2 * tau))
            s = rng.uniform(0.5, 2.0, (20_000, count))
            truth = tau * rng.standard_normal(s.shape)
            d = truth + s * rng.standard_normal(s.shape)
            ours = pool(d, s)
            inside = np.mean((ours.lower <= truth) & (truth <= ours.upper))
            centre, error = plug_in(d, s, ours.tau)
            usual = np.mean(np.abs(centre - truth) <= 1.959964 * error)
            gain = np.mean((ours.estimates - truth) ** 2) / np.mean((d - truth) ** 2)
            rows.append(
                told(
                    "segments",
                    f"{count} segments, effects {tau:g} apart in units of their mean error: shrunk intervals cover "
                    f"{inside:.1%} (one REML tau taken as known {usual:.1%}), squared error {gain:.2f} of raw",
                )
            )
    return rows


def priors() -> list[Row]:
    """Learned from twenty past experiments: coverage of the next posterior and the winner's curse."""
    rows: list[Row] = []
    for width in (0.01, 0.03, 0.1):
        rng, sims = np.random.default_rng(int(1_000 * width)), 8_000
        raw, shrunk, covered, won = (np.empty(sims) for _ in range(4))
        for i in range(sims):
            error = np.exp(rng.uniform(np.log(0.01), np.log(0.08), 20))
            prior = learn_prior(width * rng.standard_normal(20) + error * rng.standard_normal(20), error)
            truth, own = width * rng.standard_normal(), rng.uniform(0.01, 0.05)
            lift = truth + own * rng.standard_normal()
            p = posterior([lift], [own], prior)
            raw[i], shrunk[i] = lift - truth, p.mean[0] - truth
            covered[i], won[i] = p.lower[0] <= truth <= p.upper[0], p.chance_to_beat[0] > 0.9
        winners = won > 0
        rows.append(
            told(
                "Bayes",
                f"prior from 20 experiments with a true width of {width:g}, 8,000 programmes: next lift covered "
                f"{covered.mean():.1%}; winners' lifts too high by {raw[winners].mean():.4f} raw, "
                f"{shrunk[winners].mean():+.4f} shrunk",
            )
        )
    return rows


def bandit_intervals() -> list[Row]:
    """Coverage after adaptive allocation on skewed outcomes, and of the plain difference beside it."""
    rows: list[Row] = []
    cases: tuple[tuple[str, dict[str, Any]], ...] = (
        ("Thompson, A/A", {}),
        ("Thompson, A/A, floor 1 %", {"floor": 0.01}),
        ("Thompson, A/A, floor 10 %", {"floor": 0.1}),
        ("Thompson, A/A with drift", {"drift": 1.0}),
        ("Thompson, effect .1", {"effect": 0.1}),
        ("Thompson, three arms, A/A", {"arms": 3}),
        ("top-two, three arms, A/A", {"arms": 3, "rule": "top_two"}),
        ("top-two, three arms, A/A, floor 1 %", {"arms": 3, "rule": "top_two", "floor": 0.01}),
        ("top-two, three arms, A/A, floor 10 %", {"arms": 3, "rule": "top_two", "floor": 0.1}),
        ("top-two, three arms, A/A with drift", {"arms": 3, "rule": "top_two", "drift": 1.0}),
        ("top-two, three arms, effect .1", {"arms": 3, "rule": "top_two", "effect": 0.1}),
    )
    for name, how in cases:
        effect = how.get("effect", 0.0)
        inside = plain = 0
        for k in range(16):
            e, n, y, q, c = bandits(100 * k, 500, **how)
            ours = adaptive_difference(e, n, y, q, c, arms=(1, 0))
            inside += int(np.sum((ours.lower <= effect) & (effect <= ours.upper)))
            size = n.sum(axis=1)
            mean = (n * y).sum(axis=1) / size
            squares = (q + n * (y - mean[:, np.newaxis]) ** 2).sum(axis=1)
            error = np.sqrt((squares / (size - 1) / size)[:, :2].sum(axis=1))
            plain += int(np.sum(np.abs(mean[:, 1] - mean[:, 0] - effect) <= 1.959964 * error))
        rows.append(
            told(
                "adaptive allocation",
                f"{name}, 20 batches of 500 exponential outcomes, 8,000 runs: covered {inside / 8_000:.2%} "
                f"(plain difference of means {plain / 8_000:.2%}); goal 94-96 %",
            )
        )
    return rows


def main() -> None:
    """Measure, print, and append rows to results.md."""
    parts: list[Callable[[], Row | list[Row]]] = [
        split_at_one_look, split_at_every_look, families, arms_at_every_look, segments, priors, bandit_intervals,
    ]  # fmt: skip
    where = f"numpy {version('numpy')}, scipy {version('scipy')}, Python {platform.python_version()}, "
    where += f"{os.cpu_count()} cores"
    with Path(__file__).with_name("results.md").open("a", encoding="utf-8") as page:
        for part in [part for part in parts if len(sys.argv) == 1 or part.__name__ in sys.argv]:
            measured = part()
            for what, row in [measured] if isinstance(measured, tuple) else measured:
                print(row, flush=True)
                page.write(f"| {datetime.now(tz=UTC):%Y-%m-%d} | {what} | {row} | {where} |\n")


if __name__ == "__main__":
    main()
