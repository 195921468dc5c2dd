"""What becomes of events: counted, and the latest of each key remembered."""

from offerlab.workflows.tally import REMEMBERED, Latest, Tally


def sent(tally: Tally, first: int, size: int, *, key: int | None = 1) -> None:
    """A request of `size` events, numbered from `first`, which came at that moment."""
    made = [Latest(at=first, id=str(first + i), type="review", source="native", outcome="taken") for i in range(size)]
    tally.note(key, {"accepted": size}, lambda: made, size, lag_s=1.0)


def test_the_latest_of_each_key_are_remembered() -> None:
    """However events are cut into requests: the last two hundred of a key, newest request first, and every count."""
    tally = Tally()
    for first in range(0, 1_000, 3):
        sent(tally, first, 3)
    sent(tally, 5_000, 2, key=None)
    found = tally.latest((1,), limit=REMEMBERED)
    assert {int(one.id or "") for one in found} == set(range(1_002 - REMEMBERED, 1_002))
    assert [one.at for one in found] == sorted((one.at for one in found), reverse=True)
    assert [one.id for one in tally.latest((0,), limit=5)] == ["5000", "5001"]
    assert tally.counts() == {"accepted": 1_004}


def test_a_request_without_events_is_not_remembered() -> None:
    """An empty batch changes nothing that a person could look at, and nobody else is told of it."""
    tally = Tally()
    sent(tally, 1, 0)
    assert (tally.latest((1,), limit=9), tally.untold()) == ([], {})


def test_each_is_told_once() -> None:
    """Only keys that sent something since are told, unless telling failed."""
    tally = Tally()
    sent(tally, 1, 1)
    assert list(tally.untold()) == [1]
    assert tally.untold() == {}
    tally.tell_again([1])
    assert list(tally.untold()) == [1]
