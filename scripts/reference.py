"""Write docs/reference.md: every setting, command, route, metric, reason and error code, read from the program itself.

A test compares the file with what this would write. Run: PYTHONPATH=src python scripts/reference.py
"""

import asyncio
import inspect
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, get_args

import click

from offerlab.api.problems import status_of
from offerlab.api.routing import handlers_of
from offerlab.app import create_app
from offerlab.cli import cli
from offerlab.domain.decision import Reason, Suppression
from offerlab.domain.metric import METRICS
from offerlab.errors import Misconfigured, OfferLabError
from offerlab.reporting.sentences import suppression
from offerlab.reporting.words import metric_name
from offerlab.settings import PREFIX, Settings

OUT: Final = Path(__file__).parent.parent / "docs" / "reference.md"

REASONS: Final[dict[str, str]] = {
    "SPLIT": "the customer's bucket fell into this arm, or was stored for it at the first exposure",
    "FORCED": "a tester named the arm; never analysed",
    "SHIPPED": "the experiment has ended and everybody gets the arm that won",
    "HOLDOUT": "held out of every experiment, or of this layer",
    "NOT_IN_SEGMENT": "in none of the experiment's segments",
    "NOT_IN_TRAFFIC": "outside the share of customers that the experiment takes",
    "EXCLUDED_BY_LAYER": "another experiment of the layer owns the customer's slot",
    "PREREQUISITE": "not in the arm of another experiment that this one requires",
    "NOT_RUNNING": "draft, paused, stopped, archived or unknown",
    "NO_CONTEXT_MATCH": "placement, channel, trigger or locale are not the experiment's",
    "NO_UNIT": "no usable customer or anonymous id",
}


def reference() -> str:
    """The whole page."""
    parts = [
        "# Reference",
        "Made by `scripts/reference.py` from the program itself; a test keeps it true.",
        "## Settings",
        "Environment variables; the flags of the commands win over them.",
        _table(("setting", "default", "meaning"), _settings()),
        "## Commands",
        _table(("command", "what it does"), _commands(cli, "offerlab")),
        "## Routes",
        "What a key needs is its right; shapes are in `/schema/openapi.json`; the dashboard's pages are not listed.",
        _table(("route", "right", "what it does"), _routes()),
        "## Metrics",
        "Each counts per exposed customer within the window; definitions are in the [glossary](glossary.md).",
        _table(("metric", "name", "kind", "unit", "better"), _metrics()),
        "## Reasons of a decision",
        _table(("reason", "meaning"), ((f"`{name}`", REASONS[name]) for name in get_args(Reason))),
        "## Why an offer was held back",
        "The customer stays in the arm; the reason is logged with the exposure.",
        _table(("code", "meaning"), ((f"`{name}`", suppression(name, "en")) for name in get_args(Suppression))),
        "## Error codes",
        "Problems are `application/problem+json` (RFC 9457) with `code`, `detail` and, where there is one, `field`.",
        _table(("code", "status", "meaning"), _errors()),
    ]
    return "\n\n".join(parts) + "\n"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines)


def _settings() -> Iterator[tuple[str, ...]]:
    meanings: dict[str, str] = {}
    for names, meaning in re.findall(r"^ +([a-z_, ]+): (.+)$", inspect.getdoc(Settings) or "", flags=re.MULTILINE):
        meanings |= dict.fromkeys(names.split(", "), meaning.strip())
    defaults = Settings()
    for name in Settings.__struct_fields__:
        default = getattr(defaults, name)
        shown = "" if default is None or default == () else f"`{default}`"
        yield f"`{PREFIX}{name.upper()}`", shown, meanings[name]


def _commands(group: click.Group, path: str) -> Iterator[tuple[str, ...]]:
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")
        else:
            summary = (command.help or "").split("\n\n")[0]
            yield f"`{path} {name}`", " ".join(summary.split())


def _routes() -> Iterator[tuple[str, ...]]:
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Settings(data_dir=Path(folder)))
        try:
            found = handlers_of(app.web)
        finally:
            asyncio.run(app.close())
    for path, method, operation in sorted(found, key=lambda each: each[:2]):
        if operation.right != "page":
            yield f"`{method} {re.sub(r':[a-z]+}', '}', path)}`", operation.right, operation.summary


def _metrics() -> Iterator[tuple[str, ...]]:
    for key, metric in METRICS.items():
        yield f"`{key}`", metric_name(key, "en"), metric.kind, metric.unit, metric.better


def _errors() -> Iterator[tuple[str, ...]]:
    for error in sorted(_tree(OfferLabError), key=lambda each: (each.code, each.__name__)):
        status = "at start" if error is Misconfigured else str(status_of(error.__new__(error)))
        yield f"`{error.code}`", status, (inspect.getdoc(error) or "").splitlines()[0]


def _tree(error: type[OfferLabError]) -> Iterator[type[OfferLabError]]:
    for each in error.__subclasses__():
        yield each
        yield from _tree(each)


if __name__ == "__main__":
    OUT.write_text(reference(), encoding="utf-8")
