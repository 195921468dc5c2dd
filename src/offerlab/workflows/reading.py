"""What analysts read: the report of an experiment, as of a moment."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection

from offerlab import __version__
from offerlab.aggregation.needs import needs_of_plan
from offerlab.aggregation.sql import SqlEngine
from offerlab.domain.clock import DAY, to_micros
from offerlab.domain.experiment import Experiment
from offerlab.domain.lifecycle import started_at
from offerlab.errors import Conflict, InvalidInput, NotFound
from offerlab.reporting.build import Past, build_report, lift_in, look_of
from offerlab.reporting.cells import EVEN_SLICE
from offerlab.reporting.formats import as_markdown
from offerlab.reporting.lowest import OfferResult, offer_results
from offerlab.reporting.report import Report
from offerlab.reporting.spreadsheet import as_csv
from offerlab.reporting.webpage import Pictures, as_html
from offerlab.reporting.words import Language
from offerlab.stats.prior import Prior, learn_prior
from offerlab.storage import events, reports
from offerlab.storage import offers as stored_offers
from offerlab.storage.database import reading, writing
from offerlab.workflows.runtime import Runtime

DEFAULT_CUT: Final = "segment"


def read_report(
    runtime: Runtime, project_id: int, key: str, *, as_of: int | None = None, segment_by: str | None = None
) -> Report:
    """The report of an experiment.

    Args:
        runtime: the process's state.
        project_id: whose experiment it is.
        key: of the experiment.
        as_of: microseconds UTC; what was known then. None is now: every event acknowledged before is in.
        segment_by: what the segments are cut by. Without: by the experiment's own; where it has none and its weights
            follow the results, the slice that stays even stands alone.

    Raises:
        NotFound: no such experiment.
        Conflict: it never started.
        InvalidInput: a moment in the future, or a cut that exposures do not store.
    """
    snapshot = runtime.snapshot(project_id)
    experiment = snapshot.experiments.get(key)
    if experiment is None:
        raise NotFound(f"no experiment has the key {key!r}")
    if not experiment.epochs:
        raise Conflict(f"experiment {key!r} is a draft: there is nothing to report", extra={"status": "draft"})
    with reading(runtime.engine) as connection:
        now = runtime.instant(connection)
    if as_of is not None and as_of > now:
        raise InvalidInput("a report is about the past", field="as_of")
    moment = now if as_of is None else as_of
    with reading(runtime.engine) as connection:
        seen = reports.seen_before(connection, experiment.id, moment)
        prior = _programme(connection, project_id, experiment, moment)
        # Offers are frozen while an experiment runs, so what was exposed is what stood at its start.
        offers = stored_offers.in_force(connection, project_id, experiment.offer_keys(), at=started_at(experiment))
        cells = SqlEngine(connection, project_id).cells(
            experiment,
            needs_of_plan(experiment.metrics),
            offers=offers,
            currency=snapshot.project.currency,
            as_of=moment,
            segment_by=segment_by or _own_cut(experiment),
        )
    report = build_report(
        experiment,
        cells,
        as_of=moment,
        currency=snapshot.project.currency,
        version=__version__,
        past=Past(looks=[look_of(one) for one in seen], prior=prior, offers=offers),
        ruleset_version=snapshot.project.version,
    )
    if as_of is None:
        _keep_look(runtime, experiment, report, moment, seen)
    return report


def _own_cut(experiment: Experiment) -> str:
    return EVEN_SLICE if experiment.adaptive is not None and not experiment.segments else DEFAULT_CUT


def tried_offers(runtime: Runtime, project_id: int) -> list[OfferResult]:
    """Every offer that was tried, as of the last reading of its experiment, the lowest acceptance first."""
    snapshot = runtime.snapshot(project_id)
    with reading(runtime.engine) as connection:
        last = reports.last_of_others(connection, project_id, None, runtime.writer.instant())
    return offer_results(last, snapshot.offers)


def moment_of(sent: str | None) -> int | None:
    """An `as_of` as people write it, in microseconds UTC.

    Raises:
        InvalidInput: no ISO 8601 time with a zone.
    """
    if not sent:
        return None
    try:
        moment = datetime.fromisoformat(sent.replace(" ", "+"))
    except ValueError as error:
        raise InvalidInput(f"{sent[:100]!r} is no ISO 8601 time", field="as_of") from error
    return to_micros(moment, field="as_of")


def newest_event(runtime: Runtime) -> int:
    """The number of the last event stored: while it stays, no report of the present changes but by the clock."""
    with reading(runtime.engine) as connection:
        return events.newest(connection)


def as_text(report: Report, form: str, language: Language = "en", pictures: Pictures | None = None) -> str:
    """The report as `json`, `md`, `csv` or `html`.

    Args:
        report: as built.
        form: one of the four; JSON and CSV are the same in every language.
        language: of the words.
        pictures: those that stand in the page of its own.

    Raises:
        InvalidInput: another form.
    """
    if form == "json":
        return msgspec.json.encode(report).decode()
    if form == "md":
        return as_markdown(report, language)
    if form == "csv":
        return as_csv(report)
    if form == "html":
        return as_html(report, language, pictures)
    raise InvalidInput("a report comes as json, html, csv or md", field="format")


def _programme(connection: Connection, project_id: int, experiment: Experiment, moment: int) -> Prior:
    """The prior of a lift: what the last report of every experiment that had ended by then found, winners or not."""
    found = [lift_in(one) for one in reports.last_of_others(connection, project_id, experiment.id, moment)]
    lifts = [each for each in found if each is not None]
    return learn_prior([lift for lift, _ in lifts], [error for _, error in lifts])


def _keep_look(runtime: Runtime, experiment: Experiment, report: Report, moment: int, seen: Sequence[Report]) -> None:
    """Keep what somebody saw: one look a day while customers come in, and the first of each later state."""
    last = seen[-1] if seen else None
    if last is not None and last.state == report.state:
        if report.state != "running" or report.facts.customers <= last.facts.customers:
            return
        if moment < to_micros(datetime.fromisoformat(last.as_of)) + DAY:
            return
    with writing(runtime.engine) as connection:  # without what customers wrote: that goes when they are erased
        kept = replace(report, voices=())
        reports.keep(connection, experiment.id, kept, as_of=moment, now=runtime.now())
