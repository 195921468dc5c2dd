"""Boosted trees: one question by brute force, a function found, laws, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from offerlab.errors import InvalidInput, InvalidPlan
from offerlab.stats.boosting import learn_forest, predict


def _data(seed: int, rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=(rows, 3)), 1)
    return x, np.where(x[:, 0] > 0.3, 5.0, 1.0) + x[:, 1] + rng.normal(0, 0.3, rows)


def test_one_question_is_the_best_of_all_by_brute_force() -> None:
    """A single tree of depth one with a full step has the smallest squared error that any cut has."""
    x, y = _data(1)
    found = predict(learn_forest(x, y, trees=1, depth=1, rate=1.0, fewest=20), x)
    errors = []
    for column in x.T:
        for cut in np.unique(column):
            left = column <= cut
            if min(left.sum(), (~left).sum()) >= 20:
                errors.append(((y - np.where(left, y[left].mean(), y[~left].mean())) ** 2).sum())
    assert ((y - found) ** 2).sum() == pytest.approx(min(errors))


def test_a_step_and_a_slope_are_found_on_new_customers() -> None:
    """Nine tenths of what can be known is explained, on rows that taught nothing."""
    x, y = _data(2, 4_000)
    new, truth = _data(3, 4_000)
    rest = truth - predict(learn_forest(x, y), new)
    assert 1 - (rest.var() - 0.09) / (truth.var() - 0.09) > 0.9


def test_without_trees_the_prediction_is_the_mean() -> None:
    """And without any useful feature too."""
    x, y = _data(4)
    assert_allclose(predict(learn_forest(x, y, trees=0), x), y.mean())
    assert_allclose(predict(learn_forest(np.ones((300, 1)), y), np.ones((2, 1))), y.mean())


def test_a_missing_value_is_a_value() -> None:
    """Customers without a past are told apart; a feature that nobody has does no harm."""
    x, y = _data(5)
    x[:100, 0], x[:, 2] = np.nan, np.nan
    y[:100] = 20.0
    found = predict(learn_forest(x, y, trees=200, rate=0.2), x)
    assert np.abs(found[:100] - 20.0).max() < 1.0


@settings(max_examples=15)
@given(seed=st.integers(0, 1_000), unit=st.sampled_from([0.01, 1e4]), shift=st.floats(-5, 5))
def test_units_and_any_rising_change_of_a_feature_do_not_matter(seed: int, unit: float, shift: float) -> None:
    """Predictions follow the outcome's unit and origin; a feature counts by its order alone."""
    x, y = _data(seed)
    plain = predict(learn_forest(x, y, trees=5), x)
    changed = x.copy()
    changed[:, 0] = np.exp(x[:, 0])
    assert_allclose(predict(learn_forest(changed, y, trees=5), changed), plain, rtol=1e-9)
    assert_allclose(predict(learn_forest(x, unit * y + shift, trees=5), x), unit * plain + shift, rtol=1e-6, atol=1e-9)


def test_the_same_data_give_the_same_forest() -> None:
    """Nothing is left to chance."""
    x, y = _data(6)
    one, two = learn_forest(x, y, trees=10), learn_forest(x, y, trees=10)
    assert np.array_equal(one.leaf, two.leaf)
    assert np.array_equal(one.cut, two.cut)


def test_wrong_calls_are_refused() -> None:
    """Shapes that do not fit, nobody, outcomes with gaps, knobs out of range."""
    x, y = _data(7)
    for call in ((x[:-1], y), (x[:0], y[:0]), (x, np.where(y > 5, np.nan, y)), (x[:, :0], y)):
        with pytest.raises(InvalidInput):
            learn_forest(*call)
    with pytest.raises(InvalidInput, match="knows 3"):
        predict(learn_forest(x, y, trees=1), x[:, :2])
    with pytest.raises(InvalidPlan, match="depth"):
        learn_forest(x, y, depth=0)
