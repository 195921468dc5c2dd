"""The command line: each command a few lines over a workflow."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import click

from offerlab import __version__
from offerlab.errors import OfferLabError
from offerlab.settings import Settings, read_settings


@click.group()
@click.version_option(__version__, prog_name="offerlab")
def cli() -> None:
    """Which cross-sell and upsell offer to make to whom, and proof that it worked."""


def _settings(**flags: object) -> Settings:
    return read_settings(os.environ, **flags)


_DATA_DIR = click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of the embedded store.")
_MOMENTS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S")
_DATABASE = click.option("--database-url", help="SQLAlchemy URL; without one the store is SQLite in the data folder.")


@cli.command()
@click.option("--host", help="Address to listen on (default 127.0.0.1).")
@click.option("--port", type=int, help="Port to listen on (default 8000).")
@_DATA_DIR
@_DATABASE
def serve(host: str | None, port: int | None, data_dir: Path | None, database_url: str | None) -> None:
    """Serve the API and the dashboard."""
    from offerlab.server import run  # noqa: PLC0415 - other commands start without a web server

    run(_settings(host=host, port=port, data_dir=data_dir, database_url=database_url))


@cli.command()
@click.option("--port", type=int, default=8000, show_default=True, help="Port; the next free one when it is taken.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    default=Path("offerlab-demo"),
    show_default=True,
    help="Its own folder.",
)
@click.option(
    "--shoppers", type=click.IntRange(60, 100_000), default=3_000, show_default=True, help="How many walk in."
)
@click.option("--stay/--no-stay", default=True, show_default=True, help="Keep service and dashboard up.")
def demo(port: int, data_dir: Path, shoppers: int, stay: bool) -> None:  # noqa: FBT001 - click hands flags over by name
    """The main job on real data: offers, a three-arm experiment, its report; the dashboard stays up."""
    from rich.console import Console  # noqa: PLC0415 - only the demo draws

    from offerlab.demo.run import run_demo  # noqa: PLC0415 - likewise

    logging.getLogger("httpx").setLevel(logging.WARNING)
    run_demo(data_dir, port=port, shoppers=shoppers, stay=stay, console=Console())


@cli.command()
@_DATA_DIR
@_DATABASE
def migrate(data_dir: Path | None, database_url: str | None) -> None:
    """Bring the store to this release's schema."""
    from offerlab.storage import schema  # noqa: PLC0415 - only this command needs it
    from offerlab.storage.database import open_engine  # noqa: PLC0415 - likewise

    settings = _settings(data_dir=data_dir, database_url=database_url)
    if settings.embedded:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    engine = open_engine(settings.url)
    before = schema.current(engine)
    schema.upgrade(engine)
    click.echo(f"schema {before or 'none'} -> {schema.head()}")


@cli.group()
def key() -> None:
    """API keys."""


@key.command("create")
@click.option("--kind", type=click.Choice(["admin", "server", "client", "read"]), required=True)
@click.option("--name", default="")
@_DATA_DIR
@_DATABASE
def key_create(kind: Any, name: str, data_dir: Path | None, database_url: str | None) -> None:  # noqa: ANN401 - one of click's choices
    """Create an API key and print it, once."""
    from offerlab.app import open_desk  # noqa: PLC0415 - only commands beside a server need it
    from offerlab.workflows.access import create_key  # noqa: PLC0415 - likewise

    with open_desk(_settings(data_dir=data_dir, database_url=database_url)) as desk:
        _, secret = create_key(desk, kind=kind, name=name)
    click.echo(secret)


@cli.command()
@click.argument("experiment")
@click.option("--as-of", help="What was known then: ISO 8601 with a zone; now without.")
@click.option(
    "--segment-by", help="The cut of its segments: segment, channel, placement, slot, device, agent or even_slice."
)
@click.option("--format", "form", type=click.Choice(["md", "json", "csv", "html"]), default="md", show_default=True)
@_DATA_DIR
@_DATABASE
def report(
    experiment: str,
    as_of: str | None,
    segment_by: str | None,
    form: str,
    data_dir: Path | None,
    database_url: str | None,
) -> None:
    """Print the significance report of EXPERIMENT."""
    from offerlab.app import open_desk  # noqa: PLC0415 - only commands beside a server need it
    from offerlab.workflows.reading import as_text, moment_of, read_report  # noqa: PLC0415 - likewise

    with open_desk(_settings(data_dir=data_dir, database_url=database_url)) as desk:
        found = read_report(desk.runtime, desk.project_id, experiment, as_of=moment_of(as_of), segment_by=segment_by)
    click.echo(as_text(found, form))


_BAD_SHOWN = 20


@contextmanager
def _progress(what: str) -> Generator[Callable[[int, int], None]]:
    """A bar on a terminal, silence elsewhere."""
    from rich.console import Console  # noqa: PLC0415 - only what takes long draws
    from rich.progress import Progress  # noqa: PLC0415 - likewise

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, rows: bar.update(task, completed=done, total=rows)


@cli.command("import")
@click.argument("kind", type=click.Choice(["orders", "customers", "products", "matching"]))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--map", "pairs", multiple=True, help="field=column, where a column has another name than its field.")
@click.option("--bad", "bad_file", type=click.Path(path_type=Path), help="Where all bad rows are listed, with lines.")
@_DATA_DIR
@_DATABASE
def import_(
    kind: Any,  # noqa: ANN401 - one of click's choices
    file: Path,
    pairs: tuple[str, ...],
    bad_file: Path | None,
    data_dir: Path | None,
    database_url: str | None,
) -> None:
    """Take orders, customers, products or the matching table from a CSV or Parquet FILE."""
    from offerlab.app import open_desk  # noqa: PLC0415 - only commands beside a server need it
    from offerlab.workflows.importing import import_file  # noqa: PLC0415 - likewise

    mapping = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    if len(mapping) < len(pairs):
        raise click.BadParameter("write --map field=column, each field once")
    settings = _settings(data_dir=data_dir, database_url=database_url)
    with open_desk(settings) as desk, _progress(f"import {kind}") as told:
        found = import_file(desk, kind, file, mapping, told)
    lines = [one.detail for one in found.bad]
    if bad_file is not None and lines:
        bad_file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for line in lines[:_BAD_SHOWN]:
        click.echo(line, err=True)
    if len(lines) > _BAD_SHOWN:
        click.echo(f"… and {len(lines) - _BAD_SHOWN} more; list them all with --bad FILE", err=True)
    click.echo(f"{found.rows} rows: {found.done} {kind} new, {found.skipped} known, {len(lines)} bad")


@cli.command()
@click.option("--days", type=int, default=365, show_default=True, help="How far back orders count.")
@click.option("--periods", type=int, default=0, help="Months in which a pair must have been bought together.")
@click.option("--score", is_flag=True, help="Change nothing: score the ways of matching on the latest orders.")
@_DATA_DIR
@_DATABASE
def affinity(days: int, periods: int, score: bool, data_dir: Path | None, database_url: str | None) -> None:  # noqa: FBT001 - click hands flags over by name
    """Mine the product matching table from the shop's orders; the service does it anew every week from then on."""
    from offerlab.app import open_desk  # noqa: PLC0415 - only commands beside a server need it
    from offerlab.workflows.matching import rebuild  # noqa: PLC0415 - likewise
    from offerlab.workflows.rehearsing import rehearse  # noqa: PLC0415 - likewise

    with open_desk(_settings(data_dir=data_dir, database_url=database_url)) as desk:
        if score:
            for name, one in rehearse(desk, days=days).items():
                hit, gain = one.hit_rate, one.ndcg
                click.echo(
                    f"{name}: found among {one.top} in {hit.estimate:.1%} of {one.cases} baskets "
                    f"[{hit.lower:.1%}, {hit.upper:.1%}], NDCG {gain.estimate:.3f} "
                    f"[{gain.lower:.3f}, {gain.upper:.3f}], coverage {one.coverage:.0%}"
                )
            return
        told = rebuild(desk, days=days, periods=periods)
    click.echo(
        f"{told.matches} matches and {told.substitutes} substitutes for {told.items} products from {told.baskets} "
        f"baskets; since the build before {told.new_count} new, {told.lost_count} lost, {told.moved_count} moved"
    )
    for found in told.bundles:
        click.echo(f"bundle: {' + '.join(found.skus)}, in {found.baskets} baskets, {found.synergy:.1f} times chance")


@cli.command()
@click.argument("customer")
@click.option("--yes", is_flag=True, help="Do not ask: it can't be taken back.")
@_DATA_DIR
@_DATABASE
def erase(customer: str, yes: bool, data_dir: Path | None, database_url: str | None) -> None:  # noqa: FBT001 - click hands flags over by name
    """Forget CUSTOMER, for ever: identity, profile, contact data and texts go; counts stay and belong to nobody."""
    from offerlab.app import open_desk  # noqa: PLC0415 - only commands beside a server need it
    from offerlab.workflows.privacy import erase_customer  # noqa: PLC0415 - likewise

    if not yes:
        click.confirm(f"Forget {customer!r}? This can't be taken back", abort=True)
    with open_desk(_settings(data_dir=data_dir, database_url=database_url)) as desk:
        done = erase_customer(desk, customer)
    known = f"{done.ids} ids, {done.wiped} texts wiped" if done.known else "was not known"
    click.echo(f"erased: {known}; events of this customer are refused from now on")


@cli.group()
def export() -> None:
    """Take data along."""


@export.command("customer")
@click.argument("customer")
@click.option("--without-sensitive", is_flag=True, help="Leave out what is registered as sensitive.")
@_DATA_DIR
@_DATABASE
def export_person(customer: str, without_sensitive: bool, data_dir: Path | None, database_url: str | None) -> None:  # noqa: FBT001 - click hands flags over by name
    """Print everything kept about CUSTOMER, as JSON."""
    from offerlab.app import open_desk  # noqa: PLC0415 - only commands beside a server need it
    from offerlab.workflows.privacy import as_json, export_customer  # noqa: PLC0415 - likewise

    with open_desk(_settings(data_dir=data_dir, database_url=database_url)) as desk:
        found = export_customer(desk, customer, sensitive=not without_sensitive)
    click.echo(as_json(found))


@export.command("breach")
@click.option("--since", type=click.DateTime(_MOMENTS), required=True, help="When it began, UTC.")
@click.option("--until", type=click.DateTime(_MOMENTS), required=True, help="When it ended, UTC.")
@click.option("--by", help="Only whom this key or person looked at: key:3, or as the audit log says.")
@click.option("--ids", type=click.File("r", encoding="utf-8"), help="Ids that the shop knows, one a line.")
@_DATA_DIR
@_DATABASE
def export_breach(
    since: datetime,
    until: datetime,
    by: str | None,
    ids: TextIO | None,
    data_dir: Path | None,
    database_url: str | None,
) -> None:
    """Print whom a breach concerns and what of theirs was stored, as CSV: for the notice within 72 hours."""
    from offerlab.app import open_desk  # noqa: PLC0415 - only commands beside a server need it
    from offerlab.domain.clock import to_micros  # noqa: PLC0415 - likewise
    from offerlab.workflows.breach import Breach, list_concerned, note_listed, write_csv  # noqa: PLC0415 - likewise

    known = [] if ids is None else [line.strip() for line in ids if line.strip()]
    breach = Breach(
        since=to_micros(since.replace(tzinfo=UTC)), until=to_micros(until.replace(tzinfo=UTC)), actor=by, ids=known
    )
    with open_desk(_settings(data_dir=data_dir, database_url=database_url)) as desk:
        listed = write_csv(list_concerned(desk, breach), sys.stdout)
        gone = note_listed(desk, breach, listed=listed)
    click.echo(f"{listed} persons; {gone} ids erased since it began can't be named any more", err=True)


@export.command("definitions")
@click.option("--format", "form", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
@_DATA_DIR
@_DATABASE
def export_definitions(form: str, data_dir: Path | None, database_url: str | None) -> None:
    """Print the shop's definitions as a file for `offerlab apply`."""
    from offerlab.api import yaml  # noqa: PLC0415 - only this command writes it
    from offerlab.api.shopexport import exported  # noqa: PLC0415 - likewise
    from offerlab.app import open_desk  # noqa: PLC0415 - only commands beside a server need it
    from offerlab.workflows.privacy import as_json  # noqa: PLC0415 - likewise

    with open_desk(_settings(data_dir=data_dir, database_url=database_url)) as desk:
        found = exported(desk)
    click.echo(as_json(found) if form == "json" else yaml.from_plain(found), nl=form == "json")


@cli.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
@_DATA_DIR
@_DATABASE
def apply(file: Path, yes: bool, dry_run: bool, data_dir: Path | None, database_url: str | None) -> None:  # noqa: FBT001 - click hands flags over by name
    """Make the shop what FILE says: settings, segments, products, offers, experiments; the plan is shown first."""
    from offerlab.api import yaml  # noqa: PLC0415 - only this command reads it
    from offerlab.api.shopfile import FILE_LIMIT, read_shop  # noqa: PLC0415 - likewise
    from offerlab.api.shopplan import carry_out, plan  # noqa: PLC0415 - likewise
    from offerlab.app import open_desk  # noqa: PLC0415 - only commands beside a server need it

    shop = read_shop(yaml.to_json(file.read_text(encoding="utf-8"), limit=FILE_LIMIT))
    with open_desk(_settings(data_dir=data_dir, database_url=database_url, currency=shop.currency)) as desk:
        todo = plan(desk, shop)
        for step in todo:
            click.echo(str(step.planned))
        if not todo:
            click.echo("nothing to do: the shop is what the file says")
        elif not dry_run and (yes or click.confirm(f"Take these {len(todo)} steps?")):
            carry_out(desk, todo)
            click.echo(f"done: {len(todo)} steps")


@cli.command()
@_DATA_DIR
@_DATABASE
def purge(data_dir: Path | None, database_url: str | None) -> None:
    """Delete what is older than the project's retention; the service does it by itself once a day."""
    from offerlab.app import open_desk  # noqa: PLC0415 - only commands beside a server need it
    from offerlab.workflows.privacy import purge as purge_now  # noqa: PLC0415 - likewise

    with open_desk(_settings(data_dir=data_dir, database_url=database_url)) as desk:
        done = purge_now(desk)
    click.echo(", ".join(f"{name} {count}" for name, count in sorted(done.items())))


@cli.command("power")
@click.argument("baseline", type=float)
@click.option("--sd", type=float, help="Standard deviation per customer; without it BASELINE is a rate.")
@click.option("--mde", type=float, help="Smallest effect worth finding, as a share of BASELINE.")
@click.option("--absolute", is_flag=True, help="Effect and margin are in the metric's unit.")
@click.option("--power", "chance", type=float, help="Chance of finding it (.8).")
@click.option("--customers", type=float, help="Customers of all arms together.")
@click.option("--margin", type=float, help="Plan non-inferiority: how much worse is acceptable.")
@click.option("--equivalence", is_flag=True, help="Test both sides of the margin.")
@click.option("--alpha", type=float, default=0.05, show_default=True, help="Error rate over all arms and looks.")
@click.option("--weights", default="1,1", show_default=True, help="Of the arms, control first.")
@click.option("--correlation", type=float, default=0.0, help="Of the outcome with what covariates predict.")
@click.option(
    "--sequential", type=click.Choice(["fixed", "group", "always"]), default="fixed", show_default=True, help="Reading."
)
@click.option("--looks", type=int, default=28, show_default=True, help="How many, for a sequential reading.")
@click.option("--per-day", help="Customers a day: one number, or seven from Monday on.")
@click.option("--starts-on", type=click.DateTime(["%Y-%m-%d"]), help="First day, for the dates.")
def power_(baseline: float, weights: str, per_day: str | None, **asked: Any) -> None:  # noqa: ANN401 - click's options
    """Customers, smallest effect, power and weeks: give two of --mde, --power and --customers, get the third.

    BASELINE is control's rate, or its mean per customer with --sd.
    """
    import offerlab  # noqa: PLC0415 - the other commands plan nothing

    starts_on = asked.pop("starts_on")
    found = offerlab.power(
        baseline,
        weights=_numbers(weights),
        customers_per_day=_per_day(per_day),
        starts_on=starts_on.date() if starts_on else None,
        relative=not asked.pop("absolute"),
        power=asked.pop("chance"),
        n=asked.pop("customers"),
        **asked,
    )
    click.echo(str(found))


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a list of numbers.") from error


def _per_day(text: str | None) -> float | list[float] | None:
    if text is None:
        return None
    numbers = _numbers(text)
    return numbers[0] if len(numbers) == 1 else numbers


@cli.command("simulate")
@click.option("--customers", type=click.IntRange(2), default=20_000, show_default=True, help="Of each arm.")
@click.option("--acceptance", type=float, default=0.25, show_default=True, help="True lift of the acceptance rate.")
@click.option("--order-value", type=float, default=0.15, show_default=True, help="True lift of the order value.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same customers.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the customers (.csv, .parquet).")
def simulate_(customers: int, acceptance: float, order_value: float, seed: int, output: Path | None) -> None:
    """Draw customers of an appliance shop with known true lifts, and hold the engine's estimates against them."""
    import offerlab  # noqa: PLC0415 - the other commands draw nobody
    from offerlab.simulate import appliance_case  # noqa: PLC0415 - likewise

    shop, arms = appliance_case(acceptance=acceptance, order_value=order_value)
    crowd = offerlab.simulate(*arms, customers=customers, shop=shop, seed=seed)
    if output is not None:
        (crowd.frame.to_parquet if output.suffix == ".parquet" else crowd.frame.to_csv)(output, index=False)
        click.echo(f"{len(crowd.frame):,} customers in {output}")
    metrics = (
        offerlab.Proportion("accepted", name="acceptance_rate"),
        offerlab.Ratio("revenue", "orders", name="aov"),
        offerlab.Mean("revenue", covariates=["pre_revenue", "pre_orders"], name="revenue_per_customer"),
    )
    result = offerlab.analyze(crowd.frame, variant="arm", control=arms[0].key, metrics=metrics)
    click.echo(str(result))
    for each in result.effects:
        true = crowd.effect(each.metric, 1)[1]
        held = each.relative is not None and each.relative.contains(true)
        click.echo(f"true lift of {each.metric}: {true:+.2%}, {'inside' if held else 'OUTSIDE'} its range")


def main() -> None:
    """Run a command; an error of ours is one line on stderr and exit code 2."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        cli(standalone_mode=False)
    except OfferLabError as error:
        click.echo(f"offerlab: {error.detail}", err=True)
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)


if __name__ == "__main__":
    main()
