"""Needs -> one grouped query on the store itself, the same text on SQLite and PostgreSQL.

Powers beyond int64 are doubles, each split into parts (at 2^56 and 2^26) whose sums stay whole numbers that a double
holds: so a sum is exact, and neither the order of the rows nor the engine can change it. (Up to 10^7 customers in a
cell and values of 10^9; beyond, the last digits round like any sum of doubles.)
Rejected: sums in the order of the customer number: SQLite's own summation differs between its versions.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, RowMapping, text

from offerlab.aggregation.arms import Arms
from offerlab.aggregation.needs import Needs
from offerlab.aggregation.own import Own
from offerlab.aggregation.parts import MERGED, Part
from offerlab.aggregation.picked import PICKED
from offerlab.aggregation.statement import SPLITS, statement, with_clause
from offerlab.assignment.adapting import slice_size
from offerlab.domain.clock import DAY
from offerlab.domain.experiment import Experiment
from offerlab.domain.lifecycle import started_at, stopped_at
from offerlab.domain.money import exponent
from offerlab.domain.offer import Offer
from offerlab.errors import InvalidInput
from offerlab.reporting.cells import EVEN_SLICE, Cell, Cells, Limit, Notes, Words
from offerlab.reporting.measures import AGAIN_DAYS, CAPPED, COVARIATES, MONEY, divisor

PRE_DAYS: Final = 90
"""How far back a customer's own past counts as a covariate."""

SEGMENTINGS: Final = ("segment", "channel", "placement", "slot", "device", "agent", EVEN_SLICE)
"""What a report may be cut by: what an exposure stores."""


class SqlEngine:
    """Works on the operational store through one connection; opens no transaction of its own."""

    name = "sql"

    def __init__(self, connection: Connection, project_id: int) -> None:
        """Read `project_id`'s rows through `connection`."""
        self._connection = connection
        self._project = project_id

    def cells(
        self,
        experiment: Experiment,
        needs: Needs,
        *,
        offers: Sequence[Offer],
        currency: str,
        as_of: int,
        segment_by: str = "segment",
    ) -> Cells:
        """As `Engine.cells`.

        Raises:
            InvalidInput: a cut that an exposure does not store.
        """
        if segment_by not in SEGMENTINGS:
            raise InvalidInput(f"a report is cut by one of {', '.join(SEGMENTINGS)}", field="segment_by")
        if segment_by == EVEN_SLICE and experiment.adaptive is None:
            raise InvalidInput("only weights that follow the results leave an even slice", field="segment_by")
        arms = Arms(experiment, offers, currency)
        monomials = tuple(sorted(needs.monomials))
        own = Own(experiment.metrics)
        binds = _binds(experiment, needs, self._project, currency, as_of) | arms.binds
        if segment_by == EVEN_SLICE and experiment.adaptive is not None:
            binds = {**binds, "slice_end": slice_size(experiment.adaptive, len(experiment.variants))}
        swaps = self._swaps(experiment)
        query = statement(monomials, arms.parts, segment_by, swaps=swaps, own=own.parts)
        rows = self._connection.execute(text(query), binds | own.binds).mappings().all()
        parts = _parts(rows, len(monomials))
        return Cells(
            monomials=monomials,
            cells=tuple(_cell(row, parts) for row in rows),
            limits={name: _limit(rows, name, below) for name, below in CAPPED.items() if below in needs.values},
            divisors=_divisors(needs.values, currency, arms.grain),
            notes=self._notes(arms, segment_by, binds | _while_counting(experiment, as_of), swaps),
            engine=self.name,
            cut_by=segment_by,
        )

    def query(self, experiment: Experiment, needs: Needs, *, offers: Sequence[Offer], currency: str) -> str:
        """The text of the query, for a person to read and run."""
        tables, own = Arms(experiment, offers, currency).parts, Own(experiment.metrics).parts
        swaps = self._swaps(experiment)
        return statement(tuple(sorted(needs.monomials)), tables, "segment", swaps=swaps, own=own)

    def _swaps(self, experiment: Experiment) -> dict[str, Part]:
        """What this project's merged customers and this experiment's picked products ask for."""
        return {
            **(MERGED if self._has(_ANY_MERGE, project=self._project) else {}),
            **(PICKED if self._has(_ANY_PICK, experiment=experiment.id) else {}),
        }

    def _has(self, query: str, **binds: int) -> bool:
        return self._connection.execute(text(query), binds).first() is not None

    def _notes(self, arms: Arms, segment_by: str, binds: Mapping[str, Any], swaps: Mapping[str, Part]) -> Notes:
        head = [with_clause((part,), arms.parts, segment_by, swaps=swaps) for part in ("units", "people")]
        suppressed = self._connection.execute(text(head[0] + _SUPPRESSED), binds)
        declined = self._connection.execute(text(head[1] + _DECLINED), binds)
        declines: Counter[tuple[int, str]] = Counter()
        words: list[Words] = []
        for variant, kind, body, count, at in declined:
            if kind == "offer_declined":
                declines[variant, _reason(body)] += int(count)
            text_said = _text(body)
            if text_said:
                words.append(Words(variant, kind, text_said, int(at)))
        return Notes(
            suppressed={(variant, reason): int(count) for variant, reason, count in suppressed},
            declines=dict(declines),
            words=tuple(sorted(words, key=lambda each: (each.variant, -each.at, each.text))),
            rejected=int(self._connection.execute(text(_REFUSED), binds).scalar_one()),
        )


_ANY_MERGE: Final = "SELECT 1 FROM merges WHERE project_id = :project LIMIT 1"

_ANY_PICK: Final = "SELECT 1 FROM exposure_skus WHERE experiment_id = :experiment LIMIT 1"

_SUPPRESSED: Final = """
SELECT variant, suppressed, COUNT(*) FROM units WHERE variant >= 0 AND suppressed IS NOT NULL
GROUP BY variant, suppressed ORDER BY variant, suppressed"""

_DECLINED: Final = """
SELECT p.variant, n.type, n.body, COUNT(*), MAX(n.occurred_at)
FROM people p CROSS JOIN interactions n
WHERE n.customer = p.number AND n.experiment_id = :experiment AND n.received_at <= :as_of
  AND n.type IN ('offer_declined', 'feedback', 'complaint')
  AND n.occurred_at >= p.t0 AND n.occurred_at < p.t0 + :window
GROUP BY p.variant, n.type, n.body ORDER BY p.variant, n.type, n.body"""

_REFUSED: Final = """
SELECT COUNT(DISTINCT COALESCE(r.event_id, CAST(r.id AS TEXT))) FROM rejected r
WHERE r.project_id = :project AND r.received_at >= :since AND r.received_at <= :until
  AND (r.code = 'conflict' OR NOT EXISTS (SELECT 1 FROM events e
    WHERE e.project_id = r.project_id AND e.event_id = r.event_id AND e.received_at <= :as_of))"""
"""Each event once, however often it was sent, and none that was mended and taken by then."""


def _while_counting(experiment: Experiment, as_of: int) -> dict[str, int]:
    """From the start until the last outcome that can count: nobody says whose outcome a refused event was."""
    ended = stopped_at(experiment)
    last = as_of if ended is None else ended + (experiment.window_days + experiment.refund_days) * DAY
    return {"since": started_at(experiment), "until": min(as_of, last)}


def _binds(experiment: Experiment, needs: Needs, project_id: int, currency: str, as_of: int) -> dict[str, Any]:
    window = experiment.window_days * DAY
    after = window
    if "displaced" in needs.values:
        after = max(after, 2 * window)
    if {"repeated", "second_seconds"} & needs.values:
        after = max(after, window + AGAIN_DAYS * DAY)
    covariates = set(COVARIATES) & needs.values
    return {
        "project": project_id,
        "experiment": experiment.id,
        "currency": currency,
        "as_of": as_of,
        "window": window,
        "refunds": experiment.refund_days * DAY,
        "before": PRE_DAYS * DAY if covariates else 0,
        "after": after,
        "again": AGAIN_DAYS * DAY,
        "session": min(DAY, window),
        **SPLITS,
    }


def _cell(row: RowMapping, parts: Sequence[tuple[str, ...]]) -> Cell:
    return Cell(
        variant=int(row["variant"]),
        segment=row["segment"],
        cut=row["cut"],
        epoch=int(row["epoch"]),
        day=int(row["day"]),
        n=int(row["n"]),
        exposures=int(row["exposures"]),
        first_at=int(row["first_at"]),
        last_at=int(row["last_at"]),
        sums=tuple(sum([int(row[name]) for name in names]) for names in parts),
    )


def _limit(rows: Sequence[RowMapping], name: str, below: str) -> Limit:
    """Where `name` was capped; None where nobody has a value."""
    found = [int(row[f"limit_{name}"]) for row in rows if row[f"limit_{name}"] is not None]
    touched = sum(int(row[f"over_{name}"] or 0) for row in rows if row["variant"] >= 0)
    return Limit(below, found[0] if found else None, touched)


def _parts(rows: Sequence[RowMapping], count: int) -> list[tuple[str, ...]]:
    """For each sum the columns that it comes in; the same in every row, so looked up once."""
    there = set(rows[0]) if rows else set[str]()
    return [tuple(name for part in "scmf" if (name := f"{part}{i}") in there) for i in range(count)]


def _divisors(values: Iterable[str], currency: str, grain: int) -> dict[str, int]:
    minor = 10 ** exponent(currency)
    fine = {"profit", "offer_cost", "delivery", "capped_profit"}
    found = {name: divisor(name, minor) * (grain if name in fine else 1) for name in sorted(values)}
    return {name: each for name, each in found.items() if each != 1 or name in MONEY}


def _text(body: str | None) -> str:
    """What a customer wrote; empty where nothing."""
    data: Any = msgspec.json.decode(body) if body else {}
    return str(data.get("text") or "").strip() if isinstance(data, dict) else ""


def _reason(body: str | None) -> str:
    """What a decline said, `unstated` where it said nothing."""
    data: Any = msgspec.json.decode(body) if body else {}
    return str(data.get("reason") or "unstated") if isinstance(data, dict) else "unstated"
