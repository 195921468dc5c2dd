"""What customer care said to whom: exposures that name the agent who spoke, and the answers that name them."""

from collections.abc import Iterator, Sequence

from msgspec import Struct
from sqlalchemy import Connection, and_, case, func, or_, select

from offerlab.storage.tables import exposures, interactions, vault


class Spoken(Struct, frozen=True):
    """With how many customers an agent spoke, and how many of them heard of an offer."""

    agent: str
    customers: int
    shown: int


class Said(Struct, frozen=True):
    """One customer's answer to an agent; `reason` is why not, where they told."""

    agent: str
    customer: int
    type: str
    reason: str | None


def spoken(connection: Connection, experiment_id: int) -> list[Spoken]:
    """Everybody who spoke in an experiment, in order of their names; a person of several ids counts once."""
    who = func.coalesce(vault.c.root, exposures.c.customer).label("who")
    heard = case((and_(exposures.c.suppressed.is_(None), exposures.c.offer.is_not(None)), 1), else_=0)
    people = (
        select(exposures.c.agent, who, func.max(heard).label("heard"))
        .outerjoin(vault, and_(vault.c.project_id == exposures.c.project_id, vault.c.customer == exposures.c.customer))
        .where(exposures.c.experiment_id == experiment_id, exposures.c.agent.is_not(None))
        .group_by(exposures.c.agent, who)
        .subquery()
    )
    rows = connection.execute(
        select(people.c.agent, func.count().label("customers"), func.sum(people.c.heard).label("shown"))
        .group_by(people.c.agent)
        .order_by(people.c.agent)
    )
    return [Spoken(row.agent, int(row.customers), int(row.shown)) for row in rows]


def said(connection: Connection, project_id: int, experiment_id: int, offers: Sequence[str]) -> Iterator[Said]:
    """Answers to these agents about the experiment, or about one of its offers where they name no experiment."""
    about = or_(
        interactions.c.experiment_id == experiment_id,
        and_(interactions.c.experiment_id.is_(None), interactions.c.offer.in_(offers)),
    )
    met = select(exposures.c.customer).where(exposures.c.experiment_id == experiment_id, exposures.c.agent.is_not(None))
    rows = connection.execute(
        select(
            interactions.c.type,
            func.coalesce(vault.c.root, interactions.c.customer).label("who"),
            interactions.c.body,
        )
        .outerjoin(
            vault, and_(vault.c.project_id == interactions.c.project_id, vault.c.customer == interactions.c.customer)
        )
        .where(
            interactions.c.project_id == project_id,
            interactions.c.type.in_(("offer_accepted", "offer_declined")),
            interactions.c.customer.in_(met),
            about,
        )
        .order_by(interactions.c.occurred_at, interactions.c.event_id)
        .execution_options(yield_per=1_000)
    )
    for row in rows:
        told = row.body or {}
        if isinstance(agent := told.get("agent"), str):
            yield Said(agent, row.who, row.type, told.get("reason"))
