"""Run the tests; a few that failed beside the others are run once more, alone, and told by name.

Usage: `python scripts/suite.py [arguments of pytest]`. A test may hang on its neighbours, the clock or a busy machine.
Such a test is a fault, and is named in plain words at the end of every run in which it shows; but it says nothing
about the product, so it stops no landing. What fails alone too does, and so does everything that is no test's own
failure: a crashed worker, a module that can't be imported, too little coverage, an interruption.
"""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

FEW = 5
"""More failures than this are no accident: nothing is run again."""

TOGETHER = ("--numprocesses", "--dist", "--cov")
"""Arguments that only the run of all tests takes."""


@dataclass
class Watch:
    """What a run tells of its failures; a plug-in of pytest.

    Attributes:
        failed: the tests that failed, in order, each once. reports: failed reports of tests, several for one at times.
        all_failures: what pytest itself counts: the same, and whatever else counts as a failure.
        crashed: whether a worker died.
    """

    failed: dict[str, None] = field(default_factory=dict)
    reports: int = 0
    all_failures: int = 0
    crashed: bool = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failure."""
        if report.failed:
            self.failed[report.nodeid] = None
            self.reports += 1

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self) -> None:
        """Note that a worker died."""
        self.crashed = True

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Note what pytest counted."""
        self.all_failures = session.testsfailed

    def may_be_run_again(self, status: int) -> bool:
        """Whether a few tests failed, and nothing else went wrong."""
        only_tests = not self.crashed and self.all_failures == self.reports
        return status == pytest.ExitCode.TESTS_FAILED and only_tests and 0 < len(self.failed) <= FEW


def alone(arguments: Sequence[str], tests: Sequence[str]) -> list[str]:
    """The command that runs these tests in one fresh process, one after the other."""
    kept = [one for one in arguments if not one.startswith(TOGETHER)]
    return [sys.executable, "-m", "pytest", *kept, *tests]


def told(names: Sequence[str], words: str) -> str:
    """A sentence about tests, and their names."""
    count = "1 test" if len(names) == 1 else f"{len(names)} tests"
    return "\n".join((f"\n{count} {words}", *(f"  {name}" for name in names)))


def main(arguments: Sequence[str]) -> int:
    """Run the tests; pytest's exit status, or 0 if all that failed passes alone."""
    watch = Watch()
    plugins: list[Any] = [watch]
    status = int(pytest.main(list(arguments), plugins=plugins))
    if not watch.may_be_run_again(status):
        return status
    names = list(watch.failed)
    print(told(names, "failed beside the others. Once more, alone:"), flush=True)
    if subprocess.run(alone(arguments, names), check=False).returncode:
        print(told(names, "failed beside the others, and not all of them pass alone."), flush=True)
        return status
    words = "failed beside the others and passed alone: they hang on something (a neighbour, the clock, a busy machine)"
    print(told(names, f"{words}; mend them."), flush=True)
    return 0


if __name__ == "__main__":
    sys.path[0] = ""  # as `python -m pytest` has it
    sys.exit(main(sys.argv[1:]))
