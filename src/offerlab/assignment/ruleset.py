"""The ruleset: everything a decision needs, compiled once, immutable, swapped whole.

`Rules` is its source: what the store holds, what lies on disk for a start without a database, and what a client
downloads. The same rules give the same answers wherever they are compiled.

A decision may be asked for as of an earlier time (an exposure that arrives late): `Ruleset.at` gives the view of
that time. Views are put together on demand from plans that are made once.
"""

from bisect import bisect_right
from itertools import count
from typing import Final

from msgspec import Struct

from offerlab.assignment.matching import MATCHED, shelf_of
from offerlab.assignment.plan import Maker, Plan
from offerlab.assignment.rules import Holds, compile_rule, never, reads
from offerlab.domain.experiment import Change, Epoch, Experiment
from offerlab.domain.offer import Offer
from offerlab.domain.product import Product, Relation
from offerlab.domain.project import ProjectSettings
from offerlab.domain.segment import Segment, is_folded, needs_catalogue

_ALL: Final = "*"


class Rules(Struct, frozen=True, kw_only=True):
    """What a ruleset is compiled from.

    Attributes:
        version: raised by every change to any of it.
        experiments: all but archived drafts; archived ones are needed for exposures that arrive late.
        offers: the latest version of each. relations: matches, curated and mined.
    """

    version: int
    settings: ProjectSettings = ProjectSettings()
    experiments: tuple[Experiment, ...] = ()
    offers: tuple[Offer, ...] = ()
    products: tuple[Product, ...] = ()
    segments: tuple[Segment, ...] = ()
    relations: tuple[Relation, ...] = ()


class View(Struct, frozen=True, kw_only=True):
    """Every experiment as it stood at one time.

    Attributes:
        plans: what a request without `experiments` is answered with, by the experiments' numbers.
        by_key: every experiment that ever started until then, whatever its status.
        holdouts: the running ones.
    """

    plans: tuple[Plan, ...]
    by_key: dict[str, Plan]
    holdouts: tuple[Plan, ...]


class Ruleset:
    """Compiled rules. Immutable for every caller: what it keeps inside is only memory of what it made.

    Attributes:
        version: of the rules. settings: of the project. shelf: the catalogue, with relations if any offer's match
            looks at them.
        current: the view from `settled_at` (microseconds UTC) on: nothing changes after it.
        holds: the segments' rules, in order of (priority, key).
        folds: whether any of them looks at what is folded from events; sorts: at categories of products.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules: Final = rules
        self.version: Final = rules.version
        self.settings: Final = rules.settings
        matched = any(offer.match in MATCHED for offer in rules.offers)
        self.shelf: Final = shelf_of(rules.products, rules.relations if matched else ())
        segments = sorted(rules.segments, key=lambda segment: (segment.priority, segment.key))
        known = {segment.key: i for i, segment in enumerate(segments)}
        lost = {key for experiment in rules.experiments for key in experiment.segments} - set(known)
        self.holds: Final[tuple[Holds, ...]] = (*(compile_rule(segment.rule) for segment in segments), never)
        looked_at = frozenset[str]().union(*(reads(segment.rule) for segment in segments))
        self.folds: Final = any(is_folded(name) for name in looked_at)
        self.sorts: Final = any(needs_catalogue(name) for name in looked_at)
        self._maker: Final = Maker(
            shelf=self.shelf,
            settings=self.settings,
            offers={offer.key: offer for offer in rules.offers},
            rules=known | dict.fromkeys(lost, len(segments)),
            reads={segment.key: reads(segment.rule) for segment in segments},
            number=count().__next__,
            moments={},
            doors={},
        )
        self._experiments: Final = sorted(rules.experiments, key=lambda experiment: experiment.id)
        self._turns: Final = sorted({at for experiment in self._experiments for at in _turns(experiment)})
        self._plans: Final[dict[tuple[int, int, int, tuple[int, ...]], Plan]] = {}
        self._views: Final[dict[int, View]] = {}
        self.settled_at: Final = self._turns[-1] if self._turns else 0
        self.current: Final = self._view(len(self._turns))

    def at(self, now: int) -> View:
        """The view at `now`, microseconds UTC."""
        return self.current if now >= self.settled_at else self._view(bisect_right(self._turns, now))

    def outcome_maker(self) -> Maker:
        """Makes the rare outcome that no plan foresaw."""
        return self._maker

    def _view(self, index: int) -> View:
        made = self._views.get(index)
        if made is None:
            made = self._views[index] = self._made_view(self._turns[index - 1] if index else -1)
        return made

    def _made_view(self, now: int) -> View:
        holdouts = [plan for one in self._experiments if one.holdout is not None and (plan := self._plan(one, now))]
        running = tuple(plan for plan in holdouts if plan.status == "running")
        plans = holdouts + [
            plan
            for one in self._experiments
            if one.holdout is None and (plan := self._plan(one, now, _covering(one, running))) is not None
        ]
        plans.sort(key=lambda plan: plan.id)
        return View(
            plans=tuple(plan for plan in plans if plan.status == "running" or plan.serve is not None),
            by_key={plan.key: plan for plan in plans},
            holdouts=running,
        )

    def _plan(self, experiment: Experiment, now: int, holdouts: tuple[Plan, ...] = ()) -> Plan | None:
        changes = experiment.changes or (Change(at=0, status=experiment.status),)
        change = sum(one.at <= now for one in changes) or (0 if experiment.changes else 1)
        epoch = sum(one.started_at <= now for one in experiment.epochs)
        latest: Epoch | None = experiment.epochs[epoch - 1] if epoch else None
        if (
            not change
            or changes[change - 1].status == "draft"
            or (changes[change - 1].status == "running" and not epoch)
        ):
            return None
        key = (experiment.id, change, epoch, tuple(id(plan) for plan in holdouts))
        if key not in self._plans:
            self._plans[key] = self._maker.plan(experiment, changes[change - 1], latest, holdouts)
        return self._plans[key]


def compile_ruleset(rules: Rules) -> Ruleset:
    """Compile once per version; a decision then looks nothing up that could have been looked up before."""
    return Ruleset(rules)


def _turns(experiment: Experiment) -> list[int]:
    return [change.at for change in experiment.changes] + [epoch.started_at for epoch in experiment.epochs]


def _covering(experiment: Experiment, holdouts: tuple[Plan, ...]) -> tuple[Plan, ...]:
    wanted = {_ALL, *experiment.layers}
    return tuple(plan for plan in holdouts if plan.experiment.holdout in wanted)
