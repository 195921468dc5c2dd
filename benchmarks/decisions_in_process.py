"""How much a decision costs in process, as a ratio to the floor of the same moment.

The floor, per experiment: SHA-256 of `salt:unit`, `int.from_bytes`, a range look-up. Each case alternates with it
every 5 ms in one process, because the machine's own speed drifts by 1.7 within minutes while the ratio holds to 3 %.
Every answer of a case is compared with the floor's before anything is timed.

Goals: one plain experiment <= 3.5, all of 20 <= 2.5, one with holdout, layer, gate and a two-condition segment <= 7,
and a million customers in one experiment with their propensities <= 2 times a bare loop of SHA-256 over them.
Run: python benchmarks/decisions_in_process.py [seconds per case] [--save]
"""

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from msgspec import structs

from offerlab.assignment.allocation import claim_layers, first_epoch
from offerlab.assignment.bulk import Assigned, assign
from offerlab.assignment.decide import decide
from offerlab.assignment.hashing import arm_salt
from offerlab.assignment.ruleset import Rules, Ruleset, compile_ruleset
from offerlab.domain.customer import NOBODY
from offerlab.domain.decision import Context, Decided, Request
from offerlab.domain.experiment import SLOTS, Experiment, MetricPlan, Variant
from offerlab.domain.layer import Layer
from offerlab.domain.lifecycle import moved
from offerlab.domain.offer import Offer
from offerlab.domain.product import Product
from offerlab.domain.segment import Segment, parse_rule

SLICE_S: Final = 0.005
NOW: Final = 1_790_000_000_000_000
RESULTS: Final = Path(__file__).with_name("results.md")
ARMS: Final = (Variant(key="control", weight=0.5), Variant(key="capsules-20", weight=0.5))
Base = Callable[[int], list[int]]
Work = Callable[[int], Decided]


def experiment(number: int, **fields: object) -> Experiment:
    """A running experiment of two arms."""
    made = Experiment(
        id=number,
        key=f"experiment-{number}",
        salt=f"{number:032x}",
        variants=ARMS,
        metrics=MetricPlan(primary="revenue_per_customer"),
    )
    made = structs.replace(made, **fields)
    claims = claim_layers([Layer(key=key, salt=f"layer-{key}") for key in made.layers], {}, made.traffic)
    return moved(structs.replace(made, epochs=(first_epoch(made, 1, claims),)), "start", now=1)


def floor(salts: list[str]) -> Base:
    """The cheapest honest assignment of one unit in these experiments."""
    bounds = (SLOTS // 2, SLOTS)

    def work(i: int) -> list[int]:
        unit = f"customer-{i}"
        arms: list[int] = []
        for salt in salts:
            slot = int.from_bytes(sha256(f"{salt}:{unit}".encode()).digest()[:8], "big") * SLOTS >> 64
            arms.append(0 if slot < bounds[0] else 1)
        return arms

    return work


def decisions(ruleset: Ruleset, names: tuple[str, ...] | None, attributes: dict[str, object], context: Context) -> Work:
    """A new request object for every call, as a service has it."""

    def work(i: int) -> Decided:
        request = Request(unit=f"customer-{i}", attributes=attributes, context=context, experiments=names)
        return decide(ruleset, NOBODY, request, NOW)

    return work


def ratio(work: Callable[[int], object], base: Callable[[int], object], seconds: float) -> tuple[float, float, float]:
    """Median over pairs of neighbouring slices of (time per call of `work`) / (of `base`), with both in ns."""
    ratios: list[float] = []
    spent = {work: [0.0, 0.0], base: [0.0, 0.0]}
    i, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        costs: list[float] = []
        for one in (work, base):
            start, calls = time.thread_time(), 0
            while (now := time.thread_time()) - start < SLICE_S:
                for _ in range(20):
                    one(i)
                    i += 1
                calls += 20
            costs.append((now - start) / calls)
            spent[one][0] += now - start
            spent[one][1] += calls
        ratios.append(costs[0] / costs[1])
    per_call = [total / calls * 1e9 for total, calls in spent.values()]
    return statistics.median(ratios), per_call[0], per_call[1]


def rulesets() -> dict[str, tuple[Ruleset, tuple[str, ...] | None, dict[str, object], Context, list[str], float]]:
    """The cases: ruleset, names asked for, attributes, context, the floor's salts, the goal."""
    twenty = [experiment(number) for number in range(1, 21)]
    plain = compile_ruleset(Rules(version=1, experiments=tuple(twenty)))
    salts = [arm_salt(one) for one in twenty]
    offers = tuple(
        Offer(key=f"o{i}", kind="cross_sell", products=("a",), placements=("checkout",), channel="web") for i in (1, 2)
    )
    dressed_arms = (Variant(key="control", weight=0.5), Variant(key="capsules-20", weight=0.5, offer="o1"))
    dressed = [experiment(number, variants=dressed_arms) for number in range(1, 21)]
    with_offers = compile_ruleset(
        Rules(
            version=1,
            experiments=tuple(dressed),
            offers=offers,
            products=(Product(sku="a", name="A", price_micro=1_000_000),),
        )
    )
    hold = experiment(
        99,
        holdout="*",
        variants=(Variant(key="held_out", weight=0.0001), Variant(key="programme", weight=0.9999)),
    )
    rule = parse_rule(
        {
            "all": [
                {"attribute": "country", "op": "in", "value": ["KR", "JP"]},
                {"attribute": "visits", "op": "gte", "value": 2},
            ]
        }
    )
    full = experiment(1, layer="page", traffic=0.9, segments=("near",))
    gated = structs.replace(full, epochs=(structs.replace(full.epochs[0], traffic=0.81),))
    guarded = compile_ruleset(Rules(version=1, experiments=(gated, hold), segments=(Segment(key="near", rule=rule),)))
    here = Context(placement="checkout", channel="web")
    named = ("experiment-1",)
    told: dict[str, object] = {"country": "KR", "visits": 3}
    return {
        "one plain": (plain, named, {}, Context(), salts[:1], 3.5),
        "20 plain": (plain, None, {}, Context(), salts, 2.5),
        "one with an offer and a placement": (with_offers, named, told, here, salts[:1], 3.5),
        "20 with an offer and a placement": (with_offers, None, told, here, salts, 2.5),
        "one with holdout, layer, gate, segment": (guarded, named, told, here, salts[:1], 7.0),
    }


def main() -> None:
    """Print one line per case; with `--save` append them to results.md."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1] != "--save" else 5.0
    lines: list[str] = []
    for name, (ruleset, names, attributes, context, salts, goal) in rulesets().items():
        work, base = decisions(ruleset, names, attributes, context), floor(salts)
        check(work, base, ruleset)
        found, ours, theirs = ratio(work, base, seconds)
        lines.append(f"{name}: {found:.2f} x floor ({ours:.0f}, {theirs:.0f} ns); goal {goal}")
        print(lines[-1], flush=True)
    found, ours, theirs = bulk()
    lines.append(f"1,000,000 customers at once: {found:.2f} x a bare SHA-256 loop ({ours:.2f}, {theirs:.2f} s); goal 2")
    print(lines[-1])
    if "--save" in sys.argv:
        where = f"Python {platform.python_version()}, {os.cpu_count()} cores"
        with RESULTS.open("a", encoding="utf-8") as file:
            file.writelines(
                f"| {datetime.now(UTC):%Y-%m-%d} | decisions in process | {line} | {where} |\n" for line in lines
            )


def bulk(customers: int = 1_000_000, rounds: int = 3) -> tuple[float, float, float]:
    """Median over alternating rounds of (CPU of `assign`) / (CPU of a bare loop of SHA-256), with both in seconds."""
    ruleset = compile_ruleset(Rules(version=1, experiments=(experiment(1),)))
    units = [f"customer-{i}" for i in range(customers)]
    salt = f"{arm_salt(ruleset.rules.experiments[0])}:".encode()
    spent: list[tuple[float, float]] = []
    for _ in range(rounds):
        start = time.thread_time()
        assigned = assign(ruleset, "experiment-1", units, now=NOW)
        middle = time.thread_time()
        for unit in units:
            sha256(salt + unit.encode()).digest()
        spent.append((middle - start, time.thread_time() - middle))
        check_bulk(assigned, salt, units)
    return (
        statistics.median(ours / theirs for ours, theirs in spent),
        statistics.median(ours for ours, _ in spent),
        statistics.median(theirs for _, theirs in spent),
    )


def check_bulk(assigned: Assigned, salt: bytes, units: list[str]) -> None:
    """Every thousandth customer must have the floor's arm, everybody a propensity."""
    assert bool((assigned.propensity == 0.5).all())
    for i in range(0, len(units), 1000):
        slot = int.from_bytes(sha256(salt + units[i].encode()).digest()[:8], "big") * SLOTS >> 64
        assert assigned.bucket[i] == slot
        assert assigned.variant[i] == int(slot >= SLOTS // 2)


def check(work: Work, base: Base, ruleset: Ruleset) -> None:
    """Every enrolled answer must be the floor's own arm."""
    enrolled = 0
    for i in range(2000):
        for decision, arm in zip(work(i).decisions, base(i), strict=True):
            assert not decision.enrolled or decision.variant == arm, (ruleset, i)
            enrolled += decision.enrolled
    assert enrolled > 1500, enrolled


if __name__ == "__main__":
    main()
