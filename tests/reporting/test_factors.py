"""Timing, product, discount: the arms read as a factorial design; and what customers wrote, masked."""

from decimal import Decimal

import numpy as np
import pytest
import statsmodels.api as sm
from msgspec.structs import replace

from offerlab.domain.experiment import AnalysisPlan, Experiment, MetricPlan, Variant
from offerlab.domain.offer import BenefitType, Discount, LocalizedText, Offer, Timing
from offerlab.reporting.build import Past, build_report
from offerlab.reporting.report import Report
from offerlab.reporting.voices import MASK, masked
from offerlab.simulate import cells_from
from reporting.crowd import AS_OF, needed, plan


def offer(key: str, *, hours: int = 0, sku: str = "filter", percent: int = 10) -> Offer:
    """An offer with its timing, product (named in the text) and discount."""
    return Offer(
        key=key,
        kind="cross_sell",
        products=(sku,),
        message={"en": LocalizedText(title=f"Take a {sku}")},
        discount=Discount(type="percent", value=Decimal(percent)),
        timing=Timing(trigger="order", delay_seconds=3_600 * hours),
    )


GRID = (
    offer("now-filter"),
    offer("now-purifier", sku="purifier"),
    offer("late-filter", hours=24),
    offer("late-purifier", hours=24, sku="purifier"),
)


def asked(offers: tuple[Offer, ...]) -> Experiment:
    """Control and one arm for each offer."""
    weight = 1 / (1 + len(offers))
    return plan(
        variants=(
            Variant(key="control", weight=weight, role="control"),
            *(Variant(key=each.key, weight=weight, offer=each.key) for each in offers),
        ),
        metrics=MetricPlan(primary="revenue_per_customer"),
        analysis=AnalysisPlan(sequential="fixed"),
    )


def told(offers: tuple[Offer, ...], gains: tuple[float, ...], *, size: int = 1_500, seed: int = 3) -> Report:
    """A report where each arm's customers spend by Poisson with these gains over 10."""
    rng = np.random.default_rng(seed)
    arm = np.repeat(np.arange(len(offers) + 1), size)
    spend = rng.poisson(10 + np.array((0.0, *gains))[arm]) * 100
    experiment = asked(offers)
    cells = cells_from({"revenue": spend.astype(np.int64)}, arm, needed(experiment))
    return build_report(experiment, cells, as_of=AS_OF, currency="USD", version="test", past=Past(offers=offers))


def test_the_best_timing_is_named_and_the_product_left_open() -> None:
    """Later is better by 1 whatever the product: the timing is decided, for the product there is not enough data."""
    said = told(GRID, (0.0, 0.0, 1.0, 1.0)).factors
    assert said is not None
    assert list(said.factors) == ["timing", "product & message"]
    timing, product = said.choices
    assert timing.levels == ("order, +24 h",)
    assert (timing.chance or 0) > 0.99
    assert (product.levels, product.undetermined is not None) == ((), True)


def test_how_many_are_offered_is_a_factor() -> None:
    """S113: two products shown beat one, whichever leads; where the number does not say which, products stay whole."""
    pairs = (("filter",), ("filter", "mug"), ("purifier",), ("purifier", "cup"))
    offers = tuple(replace(GRID[0], key=f"o{i}", products=one) for i, one in enumerate(pairs))
    said = told(offers, (0.0, 1.0, 0.0, 1.0)).factors
    assert said is not None
    assert said.factors == {"product": ("filter", "purifier"), "slots": ("1", "2")}
    product, slots = said.choices
    assert (slots.factors, slots.levels, product.levels) == (("slots",), ("2",), ())
    third = replace(GRID[0], key="o4", products=("filter", "cup"))
    whole = told((*offers, third), (0.0, 1.0, 0.0, 1.0, 0.0)).factors
    assert whole is not None
    assert list(whole.factors) == ["product"]


def test_framing_and_discount_are_told_apart() -> None:
    """S42, S96: words and discount as two by two: words that feel like a deal win by themselves, at either price."""
    plain, deal = (LocalizedText(body=words) for words in ("Take a filter.", "A filter, just for you."))
    offers = tuple(
        replace(offer(f"{percent}-{at}", percent=percent), message={"en": words})
        for percent in (10, 20)
        for at, words in enumerate((plain, deal))
    )
    said = told(offers, (0.0, 1.0, 0.0, 1.0)).factors
    assert said is not None
    assert said.factors == {
        "discount": ("percent 10", "percent 20"),
        "message": ("Take a filter.", "A filter, just for you."),
    }
    discount, message = said.choices
    assert (message.levels, discount.levels) == (("A filter, just for you.",), ())


def test_kinds_of_offers_are_compared_as_a_factor() -> None:
    """S3: the same products as cross-sell and as order bump: the kind is what differs, and the better one is named."""
    kinds = tuple(
        replace(one, key=f"{kind}-{one.key}", kind=kind) for kind in ("cross_sell", "order_bump") for one in GRID[:2]
    )
    said = told(kinds, (0.0, 0.0, 1.0, 1.0)).factors
    assert said is not None
    assert said.factors["kind"] == ("cross_sell", "order_bump")
    assert said.choices[list(said.factors).index("kind")].levels == ("order_bump",)


def test_types_of_benefit_are_a_factor() -> None:
    """S94: where the arms differ in the benefit that was said, it is what they are told apart by; else it is none."""
    kinds: tuple[BenefitType, ...] = ("money", "service")
    arms = tuple(replace(one, key=f"{kind}-{one.key}", benefit_type=kind) for kind in kinds for one in GRID[:2])
    said = told(arms, (0.0, 0.0, 1.0, 1.0)).factors
    assert said is not None
    assert said.factors["benefit"] == kinds
    assert said.choices[list(said.factors).index("benefit")].levels == ("service",)


def test_a_main_effect_is_the_regressions() -> None:
    """Timing's effect and p-value are those of the saturated regression with HC2, averaged over the products."""
    size, gains = 1_500, (0.0, 0.4, 0.3, 0.9)
    rng = np.random.default_rng(3)
    arm = np.repeat(np.arange(5), size)
    spend = rng.poisson(10 + np.array((0.0, *gains))[arm])[size:]
    late, purifier = (arm[size:] >= 3) - 0.5, np.isin(arm[size:], (2, 4)) - 0.5
    x = sm.add_constant(np.column_stack([late, purifier, late * purifier]))
    judged = sm.OLS(spend, x).fit(cov_type="HC2")
    said = told(GRID, gains, size=size).factors
    assert said is not None
    main = said.terms[0].contrasts[0]
    assert said.terms[0].factors == ("timing",)
    assert main.effect.estimate == pytest.approx(judged.params[1])
    assert main.p_value == pytest.approx(judged.pvalues[1], rel=1e-6)


def test_factors_that_need_each_other_are_chosen_together() -> None:
    """The purifier works only late: the two factors interact, and the best combination is named as one."""
    said = told(GRID, (0.0, -0.8, 0.0, 1.2), size=3_000).factors
    assert said is not None
    assert [choice.levels for choice in said.choices] == [("order, +24 h", "purifier")]


def test_nothing_is_recommended_by_chance() -> None:
    """Without any effect every factor is left open."""
    said = told(GRID, (0.0, 0.0, 0.0, 0.0)).factors
    assert said is not None
    assert [choice.levels for choice in said.choices] == [(), ()]


def test_an_incomplete_grid_is_not_read() -> None:
    """Three of four combinations: what is missing is said, nothing is guessed."""
    said = told(GRID[:3], (0.0, 0.0, 1.0)).factors
    assert said is not None
    assert said.undetermined is not None
    assert said.undetermined.reason == "no_reference"
    assert said.terms == ()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        pytest.param("too expensive for 2 people", "too expensive for 2 people", id="nothing personal"),
        pytest.param("write to kim@shop.kr please", f"write to {MASK} please", id="mail"),
        pytest.param("call 010-1234-5678", f"call {MASK}", id="telephone"),
        pytest.param("call 010 1234 5678 now", f"call {MASK} now", id="telephone in groups"),
        pytest.param("order A1234567 was late", f"order {MASK} was late", id="order number"),
        pytest.param("a " * 400, f"{'a ' * 139}a…", id="long"),
    ],
)
def test_texts_lose_what_tells_who_wrote_them(text: str, kept: str) -> None:
    """Addresses and long numbers are masked, short numbers stay."""
    assert masked(text) == kept
