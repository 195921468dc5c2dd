"""The record of looks: judged by the published inflation of repeated significance tests."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offerlab.errors import InvalidInput, InvalidPlan
from offerlab.stats.look_record import record_looks


@pytest.mark.parametrize(
    ("looks", "published"),
    [(1, 0.050), (2, 0.083), (3, 0.107), (4, 0.126), (5, 0.142), (10, 0.193), (20, 0.248)],
    ids=str,
)
def test_peeking_inflates_as_published(looks: int, published: float) -> None:
    """Repeated tests at 5 %, equal steps: Armitage, McPherson & Rowe (1969), table 2."""
    record = record_looks([(k + 1) / looks for k in range(looks)], kind="fixed")
    assert record.false_alarm == pytest.approx(published, abs=5e-4)
    assert record.early == looks - 1


@pytest.mark.parametrize("kind", ["group", "always"])
def test_rules_that_allow_for_looking_are_not_spoilt_by_it(kind: str) -> None:
    """Any number of looks: still alpha."""
    record = record_looks([0.1, 0.2, 0.5, 0.9, 1.3], kind=kind)  # type: ignore[arg-type]  # both are kinds
    assert (record.state, record.false_alarm, record.looks, record.early) == ("pass", 0.05, 5, 4)


@pytest.mark.parametrize(
    ("fractions", "state"),
    [
        pytest.param([], "pass", id="unread"),
        pytest.param([1.0], "pass", id="at its end"),
        pytest.param([1.0, 1.002, 0.9999], "pass", id="read thrice at the end"),
        pytest.param([0.5, 1.0], "look", id="once before"),
        pytest.param([0.2, 0.4, 0.6, 0.8, 1.0], "stop", id="every few days"),
    ],
)
def test_a_fixed_plan_is_judged_by_what_its_looks_cost(fractions: list[float], state: str) -> None:
    """Above 1.2 alpha it is worth a look, above 2 alpha the plain p-value is spoilt."""
    assert record_looks(fractions, kind="fixed").state == state


@settings(max_examples=20)
@given(st.lists(st.floats(0.02, 1.5), min_size=1, max_size=6))
def test_another_look_never_lowers_the_error_rate(fractions: list[float]) -> None:
    """More looks, more chances; the order of readings does not matter."""
    shorter, longer = record_looks(fractions[:-1], kind="fixed"), record_looks(fractions, kind="fixed")
    assert longer.false_alarm >= shorter.false_alarm - 0.005  # looks merged as one may shift by a hundredth
    assert record_looks(fractions[::-1], kind="fixed") == longer


def test_impossible_looks_are_refused() -> None:
    """A look has customers; alpha is an error rate."""
    with pytest.raises(InvalidInput):
        record_looks([0.0], kind="fixed")
    with pytest.raises(InvalidPlan):
        record_looks([1.0], kind="fixed", alpha=1.0)
