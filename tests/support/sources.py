"""The repository's own files, for the tests that read them as text."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from support.find import ROOT

BINARY = {".png", ".gz", ".parquet", ".ico", ".woff2", ".sqlite", ".zst"}
SCRIPT_SUFFIXES = {".py"}
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```", re.MULTILINE | re.DOTALL)


@cache
def tracked(*patterns: str) -> tuple[Path, ...]:
    """Files that git knows, or is about to be told of; paths from the root."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],  # noqa: S607 - git is the one program a clone needs
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return tuple(sorted(Path(name) for name in listing.split("\0") if name and (ROOT / name).is_file()))


def read(path: Path) -> str:
    """A tracked file as text; empty if it is none."""
    if path.suffix in BINARY:
        return ""
    return (ROOT / path).read_text(encoding="utf-8")


def parsed(*patterns: str) -> Iterator[tuple[Path, ast.Module]]:
    """Each tracked Python file below the patterns with its syntax tree."""
    for path in tracked(*patterns):
        if path.suffix in SCRIPT_SUFFIXES:
            yield path, ast.parse(read(path))


def fenced(text: str) -> Iterator[tuple[str, str]]:
    """The fenced blocks of a Markdown text: (info string, body)."""
    for match in FENCE.finditer(text):
        yield match["info"].strip(), match["body"]
