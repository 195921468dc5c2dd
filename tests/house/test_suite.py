"""`make test` runs a few failed tests once more, alone: what is forgiven, what is not, and what is said."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.find import ROOT

HANGS = """
def test_hangs_on_its_first_run(request):
    seen = request.config.rootpath / "seen"
    first = not seen.exists()
    seen.touch()
    assert not first
"""
WRONG = "def test_wrong(): assert 1 + 1 == 3"
RIGHT = "def test_right(): assert 1 + 1 == 2"
CRASHES = """
import os
def test_crashes(request):
    seen = request.config.rootpath / "seen"
    if not seen.exists():
        seen.touch()
        os._exit(139)
"""
UNREADABLE = "import nothing_of_this_name"
ALONE = "Once more, alone:"
MANY = """
import pytest
@pytest.mark.parametrize("i", range({count}))
def test_many(request, i):
    seen = request.config.rootpath / str(i)
    first = not seen.exists()
    seen.touch()
    assert not first
"""
UNUSED = "def never():\n    return 1\n"


def run(folder: Path, *modules: str, arguments: tuple[str, ...] = ()) -> tuple[int, str]:
    """Exit status and output of the suite over test modules with these texts."""
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider")
    for i, text in enumerate(modules):
        (folder / f"test_{i}.py").write_text(text)
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "suite.py"), "--quiet", *arguments],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


def test_what_passes_alone_is_forgiven_and_told_by_name(tmp_path: Path) -> None:
    """Status 0, and the last words are the name of the test that needs mending."""
    status, said = run(tmp_path, HANGS, RIGHT, arguments=("-p", "xdist", "--numprocesses=2"))
    assert status == 0, said
    end = "mend them.\n  test_0.py::test_hangs_on_its_first_run\n"
    assert "1 test failed beside the others and passed alone" in said
    assert said.endswith(end)


def test_what_fails_twice_is_red(tmp_path: Path) -> None:
    """One that is wrong spoils it, though another one beside it is forgiven."""
    status, said = run(tmp_path, HANGS, WRONG)
    assert (status, "1 failed, 1 passed" in said) == (1, True)
    assert said.endswith(
        "not all of them pass alone.\n  test_0.py::test_hangs_on_its_first_run\n  test_1.py::test_wrong\n"
    )


def test_all_right_is_run_once(tmp_path: Path) -> None:
    """Nothing is said and nothing is run again."""
    status, said = run(tmp_path, RIGHT)
    assert (status, ALONE in said) == (0, False)


@pytest.mark.parametrize(
    ("modules", "arguments"),
    [
        ((CRASHES, RIGHT), ("-p", "xdist", "--numprocesses=2")),
        ((UNREADABLE, HANGS), ("--continue-on-collection-errors",)),
        ((MANY.format(count=6),), ()),
        ((HANGS, UNUSED), ("-p", "pytest_cov", "--cov=.", "--cov-fail-under=100")),
    ],
    ids=["crash", "import", "many", "coverage"],
)
def test_all_else_stays_red(tmp_path: Path, modules: tuple[str, ...], arguments: tuple[str, ...]) -> None:
    """A dead worker, a module that can't be read, too many, too little coverage: no second chance."""
    status, said = run(tmp_path, *modules, arguments=arguments)
    assert (status, ALONE in said) == (1, False), said


def test_five_are_few(tmp_path: Path) -> None:
    """Up to five are run again."""
    status, said = run(tmp_path, MANY.format(count=5))
    assert (status, said.count("mend them.")) == (0, 1)
    assert "5 tests failed beside the others and passed alone" in said
