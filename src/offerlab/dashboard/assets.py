"""Files that pages refer to, under addresses that change with their content, so that browsers may keep them."""

import hashlib
from functools import cache
from importlib import resources
from typing import Final

_KINDS: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


@cache
def asset(name: str) -> tuple[bytes, str] | None:
    """Content and media type of a packed file; None when there is no such file."""
    kind = _KINDS.get(name.rpartition(".")[2])
    file = resources.files("offerlab.dashboard") / "static" / name
    if kind is None or "/" in name or "\\" in name or not file.is_file():
        return None
    return file.read_bytes(), kind


@cache
def asset_url(name: str) -> str:
    """Where a packed file is, with a mark of its content.

    Raises:
        KeyError: no such file.
    """
    found = asset(name)
    if found is None:
        raise KeyError(name)
    return f"/static/{name}?v={hashlib.sha256(found[0]).hexdigest()[:12]}"
