"""The rules on this replica's own disk: what it starts from when its database can't be reached.

One file, replaced whole, readable by its owner alone: it holds what the database holds of keys (their hashes) and the
secret that signs decisions. An embedded store needs none: its database lies on the same disk.
"""

import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from offerlab.assignment.ruleset import Rules
from offerlab.storage.keys import StoredKey
from offerlab.storage.projects import Project

FILE: Final = "rules.msgpack"
FORMAT: Final = 1
_log: Final = logging.getLogger(__name__)


class Kept(Struct, frozen=True):
    """One project with its rules."""

    project: Project
    rules: Rules


class Stock(Struct, frozen=True, kw_only=True):
    """All that a replica serves by.

    Attributes:
        kept_at: microseconds UTC; when it was last known to be what the database says.
        keys: live ones by the hash of their secret.
    """

    kept_at: int
    projects: tuple[Kept, ...]
    keys: dict[bytes, StoredKey]
    format: int = FORMAT


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Stock)


def keep(path: Path, projects: Iterable[Kept], keys: Mapping[bytes, StoredKey], *, now: int) -> None:
    """Replace the file; a crash leaves the old one or the new one.

    Raises:
        OSError: the disk refuses.
    """
    body = _ENCODER.encode(Stock(kept_at=now, projects=tuple(projects), keys=dict(keys)))
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def kept(path: Path) -> Stock | None:
    """What the file says; None where there is none, or one of another release."""
    try:
        stock = _DECODER.decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        _log.warning("the rules kept on disk can't be read: %s", error)
        return None
    if stock.format != FORMAT or not stock.projects:
        _log.warning("the rules kept on disk have format %s, this release reads %s", stock.format, FORMAT)
        return None
    return stock
