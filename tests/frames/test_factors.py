"""`offerlab.factorial`: the engine's factorial reading from any frame."""

import doctest

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose

import offerlab
from offerlab.errors import InvalidInput, InvalidPlan
from offerlab.frames import factors
from offerlab.stats.effect import Undetermined
from offerlab.stats.factorial import Factorial, Recommendation


@pytest.fixture(scope="module")
def crowd() -> pd.DataFrame:
    """Offer, timing and channel; the personal offer needs the web."""
    rng = np.random.default_rng(1)
    size = 4_000
    frame = pd.DataFrame(
        {
            "offer": rng.choice(["plain", "personal"], size),
            "timing": rng.choice(["now", "later", "weekend"], size),
            "channel": rng.choice(["mail", "web"], size),
            "before": rng.gamma(2.0, 10.0, size),
        }
    )
    both = (frame["offer"] == "personal") & (frame["channel"] == "web")
    return frame.assign(spend=frame["before"] + rng.gamma(2.0, 5.0, size) + 3.0 * both, visit=rng.random(size) < 0.3)


def test_the_example_runs() -> None:
    """What the docstring shows is what comes out."""
    assert doctest.testmod(factors).failed == 0


def test_main_effects_and_interaction_are_the_saturated_regressions(crowd: pd.DataFrame) -> None:
    """Sum-coded least squares with every interaction has the same contrasts of cell means."""
    found = offerlab.factorial(
        crowd,
        factors=["offer", "channel"],
        metric=offerlab.Mean("spend"),
        references={"offer": "plain", "channel": "mail"},
    ).to_frame()
    coded = crowd.assign(
        o=np.where(crowd["offer"] == "personal", 0.5, -0.5), c=np.where(crowd["channel"] == "web", 0.5, -0.5)
    )
    fitted = smf.ols("spend ~ o * c", coded).fit()
    assert found["term"].tolist() == ["offer", "channel", "offer x channel"]
    assert_allclose(found["effect"], [fitted.params[name] for name in ("o", "c", "o:c")])


def test_covariates_narrow_the_ranges(crowd: pd.DataFrame) -> None:
    """The adjusted interaction is the regression's with the covariate, and its range is shorter."""
    plain, adjusted = (
        offerlab.factorial(crowd, factors=["offer", "channel"], metric=offerlab.Mean("spend", covariates=known))
        for known in ((), ("before",))
    )
    wide, narrow = (float(each.rows()[2]["upper"] - each.rows()[2]["lower"]) for each in (plain, adjusted))
    assert narrow < 0.6 * wide
    fitted = smf.ols("spend ~ C(offer) * C(channel) + before", crowd).fit()
    assert adjusted.rows()[2]["effect"] == pytest.approx(fitted.params["C(offer)[T.plain]:C(channel)[T.web]"])


def test_factors_that_need_each_other_are_shipped_together(crowd: pd.DataFrame) -> None:
    """The planted pair is recommended; timing, which does nothing, is told apart by nobody."""
    metric = offerlab.Mean("spend", covariates="before")
    found = offerlab.factorial(crowd, factors=["offer", "timing", "channel"], metric=metric)
    assert isinstance(found.reading, Factorial)
    told = [each.levels for each in found.reading.recommendations if isinstance(each, Recommendation)]
    assert told == [("personal", "web")]
    assert "Not enough data to tell the levels of timing apart" in str(found)
    assert sum(found.customers) == len(crowd)


def test_lower_may_be_better(crowd: pd.DataFrame) -> None:
    """The effects keep their sign; the recommendation turns round."""
    metric = offerlab.Mean("spend", covariates="before", better="lower")
    found = offerlab.factorial(crowd, factors=["offer", "channel"], metric=metric)
    assert isinstance(found.reading, Factorial)
    told = [each.levels for each in found.reading.recommendations if isinstance(each, Recommendation)]
    assert told != [("personal", "web")]
    assert (
        found.rows()[0]["effect"]
        == offerlab.factorial(
            crowd, factors=["offer", "channel"], metric=offerlab.Mean("spend", covariates="before")
        ).rows()[0]["effect"]
    )


def test_a_combination_without_customers_is_undetermined(crowd: pd.DataFrame) -> None:
    """An incomplete design says so instead of guessing."""
    missing = crowd[~((crowd["offer"] == "personal") & (crowd["channel"] == "web"))]
    found = offerlab.factorial(missing, factors=["offer", "channel"], metric=offerlab.Proportion("visit"))
    assert isinstance(found.reading, Undetermined)
    assert found.rows() == []
    assert "too few customers" in str(found)


def test_wrong_calls_are_refused(crowd: pd.DataFrame) -> None:
    """One level, a reference that is none, a factor that is none, a share of what is no share."""
    with pytest.raises(InvalidPlan, match="two levels"):
        offerlab.factorial(crowd.assign(offer="a"), factors=["offer"], metric=offerlab.Mean("spend"))
    with pytest.raises(InvalidPlan, match="none of mail, web"):
        offerlab.factorial(crowd, factors=["channel"], metric=offerlab.Mean("spend"), references={"channel": "pigeon"})
    with pytest.raises(InvalidPlan, match="no factor"):
        offerlab.factorial(crowd, factors=["channel"], metric=offerlab.Mean("spend"), references={"city": "x"})
    with pytest.raises(InvalidInput, match="zero and one"):
        offerlab.factorial(crowd, factors=["channel"], metric=offerlab.Proportion("spend"))
