"""The guide for template authors names everything that there is, and nothing else."""

import re
from pathlib import Path

from offerlab.messaging.context import FIELDS
from offerlab.messaging.findings import SENTENCES
from offerlab.messaging.language import LANGUAGE
from offerlab.messaging.starters import STARTERS

GUIDE = (Path(__file__).parents[2] / "docs" / "templates.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its head."""
    part = GUIDE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in part.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_the_guide_lists_every_name() -> None:
    """Each field a template knows has its row, with the sentence of the code."""
    assert rows("Names") == [[f"`{'.'.join(path)}`", says] for path, says in FIELDS.items()]


def test_the_guide_lists_every_filter_and_tag() -> None:
    """Filters and tags of the guide are those of the language."""
    named = {name for row in rows("Filters") for name in re.findall(r"`(\w+)`", row[0])}
    tags = set(re.findall(r"`(\w+)`", GUIDE.split("Tags: ", 1)[1].split("\n", 1)[0]))
    assert named == set(LANGUAGE.filters)
    assert tags == {name for name in LANGUAGE.tags if name.isalpha()} - {"illegal", "content", "output"}


def test_the_guide_lists_every_remark() -> None:
    """Each finding has its row with its weight and English sentence."""
    assert rows("What the lint tells you") == [
        [f"`{code}`", weight, english] for code, (weight, english, _) in SENTENCES.items()
    ]


def test_the_guide_lists_every_starter() -> None:
    """Each starter has its row with what it promises."""
    assert rows("To begin with") == [[f"`{s.key}`", s.kind, ", ".join(s.needs)] for s in STARTERS]
