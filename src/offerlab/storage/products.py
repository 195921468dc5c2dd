"""The catalogue: products and how they relate."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from offerlab.domain.product import Product, Relation
from offerlab.storage.tables import products, relations


def upsert(connection: Connection, project_id: int, items: Sequence[Product], *, now: int) -> tuple[int, int]:
    """Store products, later ones of a sku winning.

    Returns:
        How many were created and how many updated.
    """
    unique = {item.sku: item for item in items}
    known = {item.sku for item in by_sku(connection, project_id, list(unique)).values()}
    fresh = [_row(project_id, item, now) for sku, item in unique.items() if sku not in known]
    if fresh:
        connection.execute(insert(products), fresh)
    for sku in known:
        row = _row(project_id, unique[sku], now)
        connection.execute(
            update(products).where(products.c.project_id == project_id, products.c.sku == sku).values(row)
        )
    return len(fresh), len(known)


def by_sku(connection: Connection, project_id: int, skus: Sequence[str]) -> dict[str, Product]:
    """The products among `skus` that exist."""
    found: dict[str, Product] = {}
    for start in range(0, len(skus), 500):
        part = skus[start : start + 500]
        rows = connection.execute(select(products).where(products.c.project_id == project_id, products.c.sku.in_(part)))
        found.update((row.sku, _product(row)) for row in rows)
    return found


def everything(connection: Connection, project_id: int) -> dict[str, Product]:
    """The whole catalogue by sku."""
    rows = connection.execute(select(products).where(products.c.project_id == project_id).order_by(products.c.sku))
    return {row.sku: _product(row) for row in rows}


def replace_relations(connection: Connection, project_id: int, items: Sequence[Relation], *, source: str) -> None:
    """Replace all relations of one source by `items`; a pair curated by a person stays before a mined one."""
    connection.execute(delete(relations).where(relations.c.project_id == project_id, relations.c.source == source))
    if source == "curated":
        for item in items:
            pair = (relations.c.sku == item.sku, relations.c.kind == item.kind, relations.c.target == item.target)
            connection.execute(delete(relations).where(relations.c.project_id == project_id, *pair))
    kept = {
        (row.sku, row.kind, row.target)
        for row in connection.execute(
            select(relations.c.sku, relations.c.kind, relations.c.target).where(relations.c.project_id == project_id)
        )
    }
    rows = [
        {"project_id": project_id, **msgspec.to_builtins(item)}
        for item in {(item.sku, item.kind, item.target): item for item in items}.values()
        if (item.sku, item.kind, item.target) not in kept
    ]
    if rows:
        connection.execute(insert(relations), rows)


def relations_of(connection: Connection, project_id: int, sku: str | None = None) -> list[Relation]:
    """Relations of one product, or of all, best first."""
    query = select(relations).where(relations.c.project_id == project_id)
    if sku is not None:
        query = query.where(relations.c.sku == sku)
    rows = connection.execute(query.order_by(relations.c.sku, relations.c.kind, relations.c.rank, relations.c.target))
    return [
        Relation(
            sku=row.sku,
            kind=row.kind,
            target=row.target,
            rank=row.rank,
            features=tuple(row.features),
            source=row.source,
            evidence=row.evidence,
        )
        for row in rows
    ]


def _row(project_id: int, item: Product, now: int) -> dict[str, object]:
    return {"project_id": project_id, "updated_at": now, **msgspec.structs.asdict(item)}


def _product(row: Any) -> Product:  # noqa: ANN401 - a row of `products`
    return Product(
        sku=row.sku,
        name=row.name,
        price_micro=row.price_micro,
        category=row.category,
        unit_cost_micro=row.unit_cost_micro,
        stock=row.stock,
        kind=row.kind,
        attributes=row.attributes,
    )
