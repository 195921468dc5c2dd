"""Where the tests find real data: the folder named by `OFFERLAB_SHARED`, or `shared` beside the repository."""

import os
from pathlib import Path
from typing import Final

import pytest

_ROOT: Final = Path(__file__).resolve().parents[1]


def shared_file(name: str) -> Path:
    """Path of `name` below the shared folder's `data/`; skips the test where it is absent."""
    given = os.environ.get("OFFERLAB_SHARED")
    folders = [Path(given)] if given else [_ROOT.parent / "shared", _ROOT.parents[1] / "shared"]
    for folder in folders:
        path = folder / "data" / name
        if path.is_file():
            return path
    pytest.skip(f"data/{name} is in none of {', '.join(map(str, folders))}; set OFFERLAB_SHARED")
