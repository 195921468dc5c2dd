"""Baskets for the tests: tiny ones by hand, random ones by seed, and the two real shops."""

import gzip
import re
from collections.abc import Iterable
from datetime import date
from typing import Final

import numpy as np
import pandas as pd
from numpy.random import Generator, default_rng

from offerlab.affinity.baskets import BasketRules, Baskets, collect, from_columns
from offerlab.affinity.purchase import Purchase
from realdata import shared_file

CUT: Final = date(2011, 10, 1).toordinal()
"""First day after the yardstick's split."""


def baskets_of(*held: Iterable[str], customers: Iterable[str | None] = (), days: Iterable[int] = ()) -> Baskets:
    """One basket per argument; customers and days in the same order, unknown and 0 where they run out."""
    people, when = list(customers), list(days)
    return collect(
        Purchase(f"{i:06}", sku, 1, people[i] if i < len(people) else None, when[i] if i < len(when) else 0)
        for i, skus in enumerate(held)
        for sku in skus
    )


def random_baskets(rng: Generator, *, baskets: int, items: int, mean_size: float, spread: float = 0.0) -> Baskets:
    """Items by a falling popularity, each basket filled independently of what it already holds.

    `spread` above zero mixes small and large baskets (log-normal sizes).
    """
    sizes = np.maximum(1, rng.poisson(mean_size * np.exp(rng.normal(0, spread, baskets) - spread**2 / 2)))
    popularity = 1 / np.arange(1, items + 1) ** 0.7
    keys = rng.exponential(size=(baskets, items)) / popularity
    order = np.argsort(keys, axis=1)
    rows = np.repeat(np.arange(baskets), np.minimum(sizes, items))
    columns = np.concatenate([order[i, : min(size, items)] for i, size in enumerate(sizes)])
    return from_columns(rows, columns, items=tuple(f"item{i:04}" for i in range(items)))


def groceries() -> Baskets:
    """The textbook's 9,835 baskets; one label ends in a blank and keeps it."""
    with gzip.open(shared_file("groceries_baskets.csv.gz"), "rt", encoding="utf-8") as file:
        return baskets_of(*(line.rstrip("\n").split(",") for line in file))


def is_product(sku: str) -> bool:
    """Online Retail's products have codes that begin with five digits."""
    return re.match(r"\d{5}", sku) is not None


def online_retail() -> tuple[Baskets, Baskets]:
    """Baskets before and after the yardstick's split; products in 20 baskets before it; unlimited sizes."""
    lines = pd.read_parquet(shared_file("online_retail_2011.parquet"))
    sold = (lines["Quantity"] > 0) & (lines["UnitPrice"] > 0) & ~lines["InvoiceNo"].str.startswith(("C", "A"))
    lines = lines[sold]
    invoices, basket = np.unique(lines["InvoiceNo"].to_numpy(str), return_inverse=True)
    codes, item = np.unique(lines["StockCode"].to_numpy(str), return_inverse=True)
    first = lines.groupby("InvoiceNo", sort=True).first()
    assert len(first) == len(invoices)
    epoch = date(1970, 1, 1).toordinal()
    days = first["InvoiceDate"].to_numpy().astype("datetime64[D]").astype(np.int64) + epoch
    customers = first["CustomerID"].fillna(-1).to_numpy(np.int64)

    def side(rules: BasketRules) -> Baskets:
        return from_columns(basket, item, items=tuple(codes.tolist()), customers=customers, days=days, rules=rules)

    before = BasketRules(is_product=is_product, until=CUT, fewest_baskets=20)
    return side(before), side(BasketRules(is_product=is_product, since=CUT))


def shuffled_columns(baskets: Baskets, rng: Generator) -> Baskets:
    """Every item moved to as many baskets drawn at random: items independent, basket sizes alike."""
    counts = np.bincount(baskets.table.indices, minlength=len(baskets.items))
    rows = np.concatenate([rng.choice(baskets.count, n, replace=False) for n in counts])
    return from_columns(rows, np.repeat(np.arange(len(counts)), counts), items=baskets.items)


def shuffled_cells(baskets: Baskets, rng: Generator, *, rounds: int = 5) -> Baskets:
    """Baskets keep their sizes and items their counts, all else is random.

    Trades after Strona et al. (2014), "curveball": random pairs of baskets deal out anew what only one of them holds.
    """
    held = [set(row) for row in np.split(baskets.table.indices.tolist(), baskets.table.indptr[1:-1].tolist())]
    for _ in range(rounds):
        order = rng.permutation(len(held))
        for a, b in zip(order[::2].tolist(), order[1::2].tolist(), strict=False):
            common = held[a] & held[b]
            pool = np.array(sorted(held[a] ^ held[b]), dtype=np.int64)
            rng.shuffle(pool)
            share = len(held[a]) - len(common)
            held[a], held[b] = common | set(pool[:share].tolist()), common | set(pool[share:].tolist())
    rows = np.repeat(np.arange(len(held)), [len(h) for h in held])
    columns = np.concatenate([np.array(sorted(h), dtype=np.int64) for h in held])
    return from_columns(rows, columns, items=baskets.items)


def seeded(seed: int = 1) -> Generator:
    """A random source that always says the same."""
    return default_rng(seed)
