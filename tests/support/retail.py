"""Customers of Online Retail at a date: what was known then, and what came after. For benchmarks and slow proofs."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from offerlab.stats.capping import capped, pooled_cap
from offerlab.stats.moments import Moments, from_sums, monomials

Array = NDArray[np.float64]
CUTS = ("2011-03-15", "2011-05-01", "2011-06-15", "2011-08-01", "2011-09-01", "2011-10-01", "2011-11-01")


def retail(shared: Path) -> pd.DataFrame:
    """Order lines with a customer and their value."""
    lines = pd.read_parquet(shared / "online_retail_2011.parquet")
    lines = lines[lines["CustomerID"].notna()]
    return lines.assign(value=lines["Quantity"] * lines["UnitPrice"])


def customers_at(lines: pd.DataFrame, cut: str, *, cap: bool) -> pd.DataFrame:
    """Customers known at a date: 28-day outcome, and covariates known then.

    Spend of 90 days, spend and orders so far, log of days since the last order, domestic, no order in 90 days.
    """
    at = pd.Timestamp(cut)
    past = lines[lines["InvoiceDate"] < at]
    recent = past[past["InvoiceDate"] >= at - pd.Timedelta(days=90)]
    coming = lines[(lines["InvoiceDate"] >= at) & (lines["InvoiceDate"] < at + pd.Timedelta(days=28))]
    by = past.groupby("CustomerID")
    table = pd.DataFrame({"days": (at - by["InvoiceDate"].max()).dt.days, "total": by["value"].sum()})
    table["spend"] = coming.groupby("CustomerID")["value"].sum()
    table["before"] = recent.groupby("CustomerID")["value"].sum()
    bought = past[~past["InvoiceNo"].str.startswith("C")]
    table["orders"] = bought.groupby("CustomerID")["InvoiceNo"].nunique()
    table["none"] = table["before"].isna().astype(float)
    table["domestic"] = (by["Country"].first() == "United Kingdom").astype(float)
    table["recency"] = np.log1p(table["days"])
    table = table.fillna(0.0)
    if cap:
        for name in ("spend", "before", "orders", "total"):
            table[name] = capped(table[name], pooled_cap(table[name]))
    return table[["spend", "before", "total", "orders", "recency", "none", "domestic"]]


def orders_of(lines: pd.DataFrame) -> pd.DataFrame:
    """One row per invoice: credit notes marked, and how many products the customer had never bought before."""
    kept = lines.assign(credit=lines["InvoiceNo"].str.startswith("C")).sort_values("InvoiceDate", kind="stable")
    bought = kept[~kept["credit"]]
    kept["new"] = 0
    kept.loc[bought.index, "new"] = (~bought.duplicated(["CustomerID", "StockCode"])).astype(int)
    by = kept.groupby(["CustomerID", "InvoiceNo"])
    orders = by.agg(
        at=("InvoiceDate", "min"),
        value=("value", "sum"),
        lines=("value", "size"),
        land=("Country", "first"),
        credit=("credit", "first"),
        new=("new", "sum"),
    )
    return orders.reset_index().sort_values("at")


def history_at(orders: pd.DataFrame, at: pd.Timestamp) -> pd.DataFrame:
    """What is known of each customer at a date, for a prediction; gaps where there is no interval yet."""
    past = orders[orders["at"] < at]
    bought = past[~past["credit"]]
    table = pd.DataFrame(index=past.groupby("CustomerID").size().index)
    for days in (7, 14, 28, 60, 90, 400):
        start = at - pd.Timedelta(days=days)
        table[f"value_{days}"] = past[past["at"] >= start].groupby("CustomerID")["value"].sum()
        table[f"orders_{days}"] = bought[bought["at"] >= start].groupby("CustomerID").size()
    table = table.fillna(0.0)
    by = bought.groupby("CustomerID")
    first, last, count = by["at"].min(), by["at"].max(), by.size()
    table["recency"], table["tenure"] = (at - last).dt.days, (at - first).dt.days
    table["gap"] = ((last - first).dt.days / (count - 1)).where(count > 1)
    table["due"] = table["recency"] / table["gap"].clip(lower=1)
    table["basket"] = table["value_400"] / table["orders_400"].clip(lower=1)
    table["rate"] = table["value_400"] / table["tenure"].clip(lower=28)
    table["lines"], table["products"] = by["lines"].sum(), by["new"].sum()
    table["largest"], table["latest"] = by["value"].max(), by["value"].last()
    table["domestic"] = (past.groupby("CustomerID")["land"].first() == "United Kingdom").astype(float)
    return table


def spend_after(orders: pd.DataFrame, at: pd.Timestamp, customers: pd.Index) -> Array:
    """28-day spend of these customers from a date on, capped at p99 of non-zero."""
    coming = orders[(orders["at"] >= at) & (orders["at"] < at + pd.Timedelta(days=28))]
    spend = coming.groupby("CustomerID")["value"].sum().reindex(customers).fillna(0.0).to_numpy(dtype=np.float64)
    return capped(spend, pooled_cap(spend))


def earlier_windows(orders: pd.DataFrame, cut: str, *, windows: int = 40, step: int = 7) -> tuple[pd.DataFrame, Array]:
    """Histories and spends of all windows that had closed by the cut, a week apart, each with three weeks of data."""
    tables, spends = [], []
    for number in range(windows):
        at = pd.Timestamp(cut) - pd.Timedelta(days=28 + step * number)
        if at < orders["at"].min() + pd.Timedelta(days=20):
            break
        tables.append(history_at(orders, at))
        spends.append(spend_after(orders, at, tables[-1].index))
    return pd.concat(tables), np.concatenate(spends)


def reassigned(rng: np.random.Generator, table: pd.DataFrame, times: int) -> tuple[Moments, Moments]:
    """The same customers in two halves, again and again: power sums by one matrix product."""
    values, names = table.to_numpy(dtype=np.float64), list(table.columns)
    size, shift = len(values), values.mean(axis=0)
    centred = values - shift
    products = np.column_stack([np.prod(centred[:, list(index)], axis=1) for index in monomials(len(names))])
    halves = np.argsort(rng.random((times, size)), axis=1) < size // 2
    arms: list[Moments] = []
    for mask in (~halves, halves):
        drawn = mask.astype(np.float64)
        arms.append(from_sums(names, drawn.sum(axis=1), shift, drawn @ products, drawn @ (values != 0)))
    return arms[0], arms[1]
