"""The command line: each command a few lines over a workflow."""

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import Any

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
@click.option("--segment-by", help="What the segments are cut by: segment, channel, placement or device.")
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


@cli.command()
@click.option("--days", type=int, default=365, show_default=True, help="How far back orders count.")
@_DATA_DIR
@_DATABASE
def affinity(days: int, data_dir: Path | None, database_url: str | None) -> None:
    """Mine the product matching table from the shop's orders."""
    from offerlab.app import open_desk  # noqa: PLC0415 - only commands beside a server need it
    from offerlab.workflows.matching import build_matches  # noqa: PLC0415 - likewise

    with open_desk(_settings(data_dir=data_dir, database_url=database_url)) as desk:
        build = build_matches(desk, days=days)
    click.echo(f"{len(build.matches)} matches for {build.items} products from {build.baskets} baskets")


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
