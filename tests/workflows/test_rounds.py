"""Work that nobody asks for: one bad experiment leaves no other unwatched, one bad look no later one."""

import logging
import threading

import pytest
from msgspec.structs import replace

from offerlab.errors import Conflict, InvalidInput, OfferLabError, Unavailable
from offerlab.reporting.build import build_report
from offerlab.workflows.rounds import Rounds, apart
from offerlab.workflows.scheduling import alarm
from reporting.crowd import AS_OF, crowd, plan

LONGEST_S = 30.0


@pytest.mark.parametrize(
    ("trouble", "level"),
    [(Conflict("somebody was faster"), "INFO"), (InvalidInput("no"), "WARNING"), (KeyError("a bug"), "ERROR")],
)
def test_the_trouble_of_one_experiment_is_no_others(
    trouble: Exception, level: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What fails in one is logged, louder the less it was foreseen, and the next one is looked at."""
    seen: list[str] = []
    with caplog.at_level(logging.INFO):
        for key in ("first", "second"):
            with apart(key, "it can't be done"):
                if key == "first":
                    raise trouble
                seen.append(key)
    assert seen == ["second"]
    assert [(record.levelname, "first" in record.getMessage()) for record in caplog.records] == [(level, True)]


def test_a_store_that_is_away_ends_the_round() -> None:
    """All others would wait for it as long."""
    with pytest.raises(Unavailable), apart("first", "it can't be done"):
        raise Unavailable("the store can't be reached")


class _Stumbling(Rounds):
    """Fails twice, then does its work."""

    def __init__(self, troubles: list[Exception]) -> None:
        super().__init__("test", every_s=0.001, patience_s=LONGEST_S)
        self.troubles = troubles
        self.done = threading.Event()

    def look(self) -> list[str]:
        """Fail while there is trouble left."""
        if self.troubles:
            raise self.troubles.pop()
        self.done.set()
        return []


def test_a_look_that_fails_is_followed_by_the_next() -> None:
    """Whether the store was away or nobody foresaw it: the thread goes on, and ends when it is told to."""
    troubles: list[Exception] = [Unavailable("away"), OfferLabError("bad"), ZeroDivisionError("a bug")]
    rounds = _Stumbling(troubles)
    rounds.start()
    assert rounds.done.wait(LONGEST_S)
    rounds.close()
    assert troubles == []
    assert not any(thread.name == "offerlab-test" for thread in threading.enumerate())


def test_a_guardrail_of_the_shops_own_is_read_before_traffic_grows() -> None:
    """Its good direction comes with the report: no list of metrics that every shop has knows it."""
    experiment = plan()
    report = build_report(
        experiment, crowd(experiment, sizes=(900, 900, 900)), as_of=AS_OF, currency="USD", version="test"
    )
    own = replace(report.metrics[-1], metric="returns_at_the_desk", role="guardrail", better="down")
    worse = tuple(replace(effect, harmed=True, limit="past") for effect in own.effects)
    for effects, expected in ((worse, "guardrail returns_at_the_desk is worse in"), ((), None)):
        told = alarm(replace(report, metrics=(report.metrics[0], replace(own, effects=effects))))
        assert (told is None) if expected is None else (told or "").startswith(expected)
