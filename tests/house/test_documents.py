"""The documents hold what they promise: links, examples, the change log's shape."""

import doctest
import re
from pathlib import Path

import pytest

from support.find import ROOT
from support.sources import fenced, read, tracked

DOCUMENTS = tuple(path for path in tracked("*.md") if path.parts[0] != "tests")
LINK = re.compile(r"(?<!\\)\[[^\]\n]*\]\((?P<target>[^)\s]+)(?: \"[^\"]*\")?\)")
HEADING = re.compile(r"^#{1,6} +(?P<title>.+?) *#*$", re.MULTILINE)
GROUPS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
RELEASE = re.compile(r"\[(?P<version>Unreleased|\d+\.\d+\.\d+)\](?: - \d{4}-\d{2}-\d{2})?")


def _anchors(text: str) -> set[str]:
    """The anchors that a forge makes of a document's headings."""
    titles = [match["title"] for match in HEADING.finditer(re.sub(r"```.*?```", "", text, flags=re.DOTALL))]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _is_dead(document: Path, target: str) -> bool:
    """Whether a relative link leads nowhere."""
    if re.match(r"[a-z]+:", target):
        return False
    name, _, anchor = target.partition("#")
    file = (ROOT / document.parent / name).resolve() if name else ROOT / document
    if not file.exists():
        return True
    return bool(anchor) and file.suffix == ".md" and anchor not in _anchors(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_links_lead_somewhere(document: Path) -> None:
    """Each relative link of a document names a file, and a heading in it, that exist."""
    text = re.sub(r"`[^`\n]*`", "", re.sub(r"```.*?```", "", read(document), flags=re.DOTALL))
    assert [match["target"] for match in LINK.finditer(text) if _is_dead(document, match["target"])] == []


@pytest.mark.parametrize("document", [path for path in DOCUMENTS if ">>> " in read(path)], ids=str)
def test_examples_run(document: Path) -> None:
    """Each `>>>` example in a document's fenced Python blocks gives what the document says."""
    examples = "\n".join(body for info, body in fenced(read(document)) if info == "python" and ">>> " in body)
    test = doctest.DocTestParser().get_doctest(examples, {}, str(document), str(document), 0)
    report: list[str] = []
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    doctest.DocTestRunner(optionflags=flags, verbose=False).run(test, out=report.append)
    assert report == []


def test_change_log_keeps_its_shape() -> None:
    """The change log has an Unreleased part first, releases with dates, and only the six known groups."""
    text = read(Path("CHANGELOG.md"))
    releases = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    groups = re.findall(r"^### (.+)$", text, flags=re.MULTILINE)
    assert releases[0] == "[Unreleased]"
    assert [title for title in releases if not RELEASE.fullmatch(title)] == []
    assert set(groups) - GROUPS == set()


def test_decisions_are_numbered_and_complete() -> None:
    """The architecture decisions are numbered without a gap; each has context, decision and consequence."""
    records = [path for path in tracked("docs/adr") if path.suffix == ".md"]
    assert [path.name[:4] for path in records] == [f"{number:04}" for number in range(len(records))]
    wanted = {"Context", "Decision", "Consequence"}
    incomplete = {
        path.name: missing
        for path in records
        if (missing := wanted - set(re.findall(r"^## (\w+)", read(path), flags=re.MULTILINE)))
    }
    assert incomplete == {}
