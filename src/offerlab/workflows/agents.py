"""How customer care's offers were answered, by the agent who spoke (S55).

A description, not a comparison: customers are drawn into arms, not to agents. What an agent's customers did because of
the offer is the report's cut by agent.
"""

from collections import Counter
from typing import Final

from msgspec import Struct

from offerlab.errors import NotFound
from offerlab.reporting.small import SMALLEST, WITHHELD
from offerlab.storage import agents
from offerlab.storage.agents import Spoken
from offerlab.storage.database import reading
from offerlab.workflows.runtime import Runtime

REASONS: Final = 5
_UNTOLD: Final = "unstated"


class Reason(Struct, frozen=True):
    """Customers who said no for a reason."""

    reason: str
    n: int


class AgentTalk(Struct, frozen=True, kw_only=True):
    """What came of one agent's talks.

    Attributes:
        customers: with whom they spoke. shown: of these, who heard of an offer.
        accepted, declined: customers whose answer names the agent; who first said no and then yes is in both.
        reasons: the most frequent ones for a no.
        withheld: `under_10` where the agent met fewer customers: then nothing else is said.
    """

    agent: str
    customers: int | None = None
    shown: int | None = None
    accepted: int | None = None
    declined: int | None = None
    reasons: tuple[Reason, ...] = ()
    withheld: str | None = None


def agent_talks(runtime: Runtime, project_id: int, key: str) -> list[AgentTalk]:
    """Every agent who spoke in the experiment, in order of their names.

    Raises:
        NotFound: no such experiment.
    """
    experiment = runtime.snapshot(project_id).experiments.get(key)
    if experiment is None:
        raise NotFound(f"no experiment has the key {key!r}")
    answers: dict[tuple[str, str], set[int]] = {}
    reasons: dict[str, set[tuple[str, int]]] = {}
    with reading(runtime.engine) as connection:
        spoken = agents.spoken(connection, experiment.id)
        for one in agents.said(connection, project_id, experiment.id, experiment.offer_keys()) if spoken else ():
            answers.setdefault((one.agent, one.type), set()).add(one.customer)
            if one.type == "offer_declined":
                reasons.setdefault(one.agent, set()).add((one.reason or _UNTOLD, one.customer))
    return [_talk(one, answers, Counter(reason for reason, _ in reasons.get(one.agent, ()))) for one in spoken]


def _talk(one: Spoken, answers: dict[tuple[str, str], set[int]], reasons: Counter[str]) -> AgentTalk:
    if one.customers < SMALLEST:
        return AgentTalk(agent=one.agent, withheld=WITHHELD)
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return AgentTalk(
        agent=one.agent,
        customers=one.customers,
        shown=one.shown,
        accepted=len(answers.get((one.agent, "offer_accepted"), ())),
        declined=len(answers.get((one.agent, "offer_declined"), ())),
        reasons=tuple(Reason(reason, n) for reason, n in ordered[:REASONS]),
    )
