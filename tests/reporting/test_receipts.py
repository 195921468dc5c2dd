"""Several offers per customer: the Starbucks log, completion by offer, errors clustered by customer."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from offerlab.errors import InvalidInput
from offerlab.reporting.receipts import rates_by_offer
from offerlab.stats.effect import Effect
from realdata import shared_file

PUBLISHED = {
    "discount-2-10-240": (7_597, 5_230, 0.6884),
    "discount-3-7-168": (7_646, 5_102, 0.6673),
    "bogo-5-5-120": (7_571, 4_262, 0.5629),
    "bogo-5-5-168": (7_677, 4_303, 0.5605),
    "discount-2-10-168": (7_632, 3_955, 0.5182),
    "bogo-10-10-168": (7_658, 3_635, 0.4747),
    "bogo-10-10-120": (7_593, 3_301, 0.4347),
    "discount-5-20-240": (7_668, 3_313, 0.4321),
}
REFERENCE = "discount-2-10-168"


def log() -> pd.DataFrame:
    """Receipts that can be completed: customer_id, offer, completed."""
    receipts = pd.read_parquet(shared_file("starbucks_offer_receipts.parquet"))
    offers = pd.read_csv(shared_file("starbucks_offers.csv"))
    hours = (offers["duration_days"] * 24).astype(int)
    parts = [offers["offer_type"], offers["reward"], offers["difficulty"], hours]
    offers["offer"] = ["-".join(str(each) for each in row) for row in zip(*parts, strict=True)]
    merged = receipts.merge(offers, on="offer_id")
    return merged.loc[merged["offer_type"] != "informational", ["customer_id", "offer", "completed"]]


def test_completion_by_offer_is_the_published_table() -> None:
    """Receipts, completions and rates of all eight offers to the printed digits, highest first."""
    frame = log()
    told = rates_by_offer(frame["customer_id"], list(frame["offer"]), frame["completed"], reference=REFERENCE)
    assert {each.offer: (each.received, each.done, round(each.rate, 4)) for each in told} == PUBLISHED
    assert [each.offer for each in told] == list(PUBLISHED)


def test_errors_are_those_of_the_clustered_regression() -> None:
    """Each difference and its error are those of statsmodels' regression on offers, clustered by customer."""
    frame = log()
    told = rates_by_offer(frame["customer_id"], list(frame["offer"]), frame["completed"], reference=REFERENCE)
    dummies = pd.get_dummies(frame["offer"]).drop(columns=REFERENCE).astype(float)
    fitted = sm.OLS(frame["completed"].to_numpy(dtype=float), sm.add_constant(dummies.to_numpy()))
    groups = pd.factorize(frame["customer_id"])[0]
    clustered = fitted.fit(cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False})
    n = len(np.unique(groups))
    judged = dict(zip(dummies.columns, zip(clustered.params[1:], clustered.bse[1:], strict=True), strict=True))
    for each in told:
        if each.against is not None:
            assert isinstance(each.against, Effect)
            estimate, error = judged[each.offer]
            assert each.against.absolute.estimate == pytest.approx(estimate, rel=1e-9)
            assert each.against.standard_error == pytest.approx(error * np.sqrt(n / (n - 1)), rel=1e-6)


def test_duration_and_social_raise_completion() -> None:
    """The twins of the discount: ten days and social media against seven without, some 17 points, zero far outside."""
    frame = log()
    told = rates_by_offer(frame["customer_id"], list(frame["offer"]), frame["completed"], reference=REFERENCE)
    twin = next(each.against for each in told if each.offer == "discount-2-10-240")
    assert isinstance(twin, Effect)
    assert 0.15 < twin.absolute.lower < twin.absolute.estimate < twin.absolute.upper < 0.19
    assert twin.p_value < 1e-12


def test_one_customer_with_many_receipts_counts_once() -> None:
    """Every receipt twice: the rates stay, and so do the errors, where receipts as units would halve the variance."""
    rng = np.random.default_rng(3)
    who, offer = np.arange(400) % 200, rng.choice(["x", "y"], 400).tolist()
    done = rng.integers(2, size=400)
    once = rates_by_offer(who, offer, done, reference="x")
    twice = rates_by_offer(np.tile(who, 2), offer * 2, np.tile(done, 2), reference="x")
    assert [each.rate for each in once] == [each.rate for each in twice]
    assert [each.se for each in once] == pytest.approx([each.se for each in twice])


def test_a_log_that_does_not_fit_is_refused() -> None:
    """Completions other than 0 and 1, and a reference that nobody received."""
    with pytest.raises(InvalidInput):
        rates_by_offer(["a", "b"], ["x", "y"], [1, 2], reference="x")
    with pytest.raises(InvalidInput):
        rates_by_offer(["a", "b"], ["x", "y"], [1, 0], reference="z")
