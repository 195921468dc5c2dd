"""`offerlab.learn`: an earlier window's lesson as a covariate that cannot bias."""

import doctest

import numpy as np
import pandas as pd
import pytest

import offerlab
from offerlab.errors import InvalidInput
from offerlab.frames import prediction
from offerlab.stats.effect import Effect


def _window(seed: int, rows: int = 2_000) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    recency = rng.exponential(30.0, rows)
    kind = rng.choice(["new", "loyal"], rows, p=[0.6, 0.4])
    mean = np.where((recency < 14) & (kind == "loyal"), 60.0, 10.0)
    return pd.DataFrame(
        {
            "arm": rng.choice(["none", "offer"], rows),
            "recency": np.where(rng.random(rows) < 0.05, np.nan, recency),
            "kind": kind,
            "spend": rng.gamma(2.0, mean / 2),
        }
    )


def test_the_example_runs() -> None:
    """What the docstring shows is what comes out."""
    assert doctest.testmod(prediction).failed == 0


def test_a_prediction_saves_what_a_line_cannot() -> None:
    """Where spend depends on two things together, the learnt covariate saves more than the columns themselves."""
    model, crowd = offerlab.learn(_window(1, 6_000), "spend", ["recency", "kind"]), _window(2, 6_000)
    crowd["predicted"] = model.predict(crowd)
    metrics = [
        offerlab.Mean("spend", covariates=["recency", "kind"], name="columns"),
        offerlab.Mean("spend", covariates=["predicted"], name="learnt"),
    ]
    found = offerlab.analyze(crowd, variant="arm", control="none", metrics=metrics)
    columns, learnt = (found.effect(name).saved for name in ("columns", "learnt"))
    assert columns is not None
    assert learnt is not None
    assert learnt > 1.2 * columns


def test_a_text_never_seen_is_a_gap() -> None:
    """New kinds of customers get a prediction; a column that changed its nature is refused."""
    model = offerlab.learn(_window(1), "spend", ["recency", "kind"], trees=10)
    crowd = _window(2).assign(kind="sleeping")
    assert np.isfinite(model.predict(crowd)).all()
    with pytest.raises(InvalidInput, match="held numbers before"):
        model.predict(_window(2).assign(recency="long ago"))


def test_wrong_calls_are_refused() -> None:
    """The outcome among the features, no feature, a column that is not there, gaps in the outcome."""
    window = _window(1)
    for features in (["spend"], []):
        with pytest.raises(InvalidInput, match="at least one feature"):
            offerlab.learn(window, "spend", features)
    with pytest.raises(InvalidInput, match="no column"):
        offerlab.learn(window, "spend", ["age"])
    with pytest.raises(InvalidInput, match="fill it in"):
        offerlab.learn(window, "recency", ["kind"])


@pytest.mark.slow
def test_a_learnt_covariate_keeps_the_level() -> None:
    """A/A with a prediction from an earlier window, 2,000 customers: errors within 3 standard errors of 5 %."""
    model, crowd = offerlab.learn(_window(1, 6_000), "spend", ["recency", "kind"]), _window(2)
    crowd["predicted"] = model.predict(crowd)
    rng, errors, runs = np.random.default_rng(3), 0, 4_000
    metric = offerlab.Mean("spend", covariates=["predicted"])
    for _ in range(runs):
        crowd["arm"] = rng.permutation(np.repeat(["none", "offer"], [1_000, 1_000]))
        outcome = offerlab.analyze(crowd, variant="arm", control="none", metrics=metric).effect("spend").outcome
        assert isinstance(outcome, Effect)
        errors += outcome.p_value < 0.05
    assert abs(errors / runs - 0.05) < 3 * (0.05 * 0.95 / runs) ** 0.5
