"""What an extra order costs, against Fieller's closed form."""

from math import sqrt

import numpy as np
import pytest
from scipy.stats import norm

from offerlab.domain.experiment import AnalysisPlan, Experiment, MetricPlan, Variant
from offerlab.reporting.build import build_report
from offerlab.reporting.formats import as_markdown
from offerlab.reporting.report import ExtraOrders, Interval, Report
from offerlab.reporting.webpage import as_html
from offerlab.simulate import CONTROL, MINOR, Integers, Treatment, cells_from, simulate
from reporting.crowd import AS_OF, needed, plan

SIZE = 40_000


def reorder(**changes: object) -> Experiment:
    """Control and an offer that brings customers back, read once."""
    base: dict[str, object] = {
        "variants": (Variant(key="control", weight=0.5, role="control"), Variant(key="back", weight=0.5, offer="x")),
        "metrics": MetricPlan(primary="orders_per_customer"),
        "analysis": AnalysisPlan(sequential="fixed"),
    }
    return plan(**(base | changes))


def read(orders: float, cost: int, asked: Experiment | None = None) -> tuple[Report, dict[str, Integers]]:
    """A report in dollars: orders by a factor, `cost` cents for each order of the offer's arm; and the customers."""
    asked = asked or reorder()
    crowd = simulate(CONTROL, Treatment(key="back", orders=orders), customers=SIZE, seed=3)
    values = {**crowd.values, "offer_cost": crowd.values["orders"] * crowd.arm * cost}
    cells = cells_from(values, crowd.arm, needed(asked))
    report = build_report(asked, cells, as_of=AS_OF, currency="USD", version="test")
    return report, {**values, "arm": crowd.arm}


def told(report: Report) -> ExtraOrders:
    """The only treatment's."""
    found = report.money[0].extra_orders
    assert found is not None
    return found


def fieller(top: tuple[float, float], base: tuple[float, float], both: float) -> tuple[float, float]:
    """The 95 % set of a ratio of two normal differences, from the roots of its quadratic (Fieller 1954)."""
    z2 = norm.ppf(0.975) ** 2
    a = base[0] ** 2 - z2 * base[1]
    b = top[0] * base[0] - z2 * both
    c = top[0] ** 2 - z2 * top[1]
    root = sqrt(b * b - a * c)
    return (b - root) / a, (b + root) / a


def test_an_extra_order_costs_what_its_discounts_and_delivery_took() -> None:
    """Extra cost over extra orders, its range as Fieller's quadratic gives it from the same customers."""
    report, values = read(1.2, 200)
    x, y = values["paid_orders"].astype(float), values["offer_cost"] / MINOR
    one, two = values["arm"] == 1, values["arm"] == 0
    spread = np.cov(y[one], x[one]) / SIZE + np.cov(y[two], x[two]) / SIZE
    top, base = y[one].mean() - y[two].mean(), x[one].mean() - x[two].mean()
    lower, upper = fieller((top, spread[0, 0]), (base, spread[1, 1]), spread[0, 1])
    said = told(report)
    assert said.undetermined is None
    assert said.orders is not None
    assert said.cost is not None
    assert said.cost_per_order is not None
    assert said.orders.estimate == pytest.approx(1_000 * base)
    assert said.cost.estimate == pytest.approx(1_000 * top)
    assert said.cost_per_order.estimate == pytest.approx(top / base)
    assert (said.cost_per_order.lower, said.cost_per_order.upper) == pytest.approx((lower, upper), rel=0.01)


@pytest.mark.parametrize(
    ("orders", "cost", "why"),
    [(1.0, 200, "no_extra_orders"), (0.8, 200, "fewer_orders"), (1.2, 0, "costs_nothing")],
    ids=["none", "fewer", "free"],
)
def test_without_extra_orders_nothing_is_divided(orders: float, cost: int, why: str) -> None:
    """Extra orders that may be none, are fewer, or cost nothing: their number is told, the cost of one is not."""
    said = told(read(orders, cost)[0])
    assert said.cost_per_order is None
    assert said.undetermined is not None
    assert said.undetermined.reason == why
    assert said.orders is not None


def test_without_a_control_nobody_knows_what_came_anyway() -> None:
    """Two offers and no control: neither extra orders nor their cost."""
    arms = (Variant(key="a", weight=0.5, offer="x"), Variant(key="b", weight=0.5, offer="y"))
    said = told(read(1.2, 200, reorder(variants=arms))[0])
    assert said.undetermined is not None
    assert said.undetermined.reason == "no_control"
    assert said.orders is None


def test_a_return_needs_a_control() -> None:
    """S106: with a control the return on the offer's cost has its range; without one it is not estimable."""
    plans = MetricPlan(primary="orders_per_customer", secondary=("roi",))
    arms = (Variant(key="a", weight=0.5, offer="x"), Variant(key="b", weight=0.5, offer="y"))
    alone = next(one for one in read(1.2, 200, reorder(metrics=plans, variants=arms))[0].metrics if one.metric == "roi")
    assert alone.undetermined is not None
    assert (alone.undetermined.reason, alone.effects[0].absolute) == ("no_control", None)
    against = reorder(metrics=plans)
    crowd = simulate(CONTROL, Treatment(key="back", orders=1.2), customers=SIZE, seed=3)
    cost = crowd.values["orders"] * crowd.arm * 200
    values = {**crowd.values, "offer_cost": cost, "profit": crowd.values["revenue"] - cost}
    cells = cells_from(values, crowd.arm, needed(against))
    report = build_report(against, cells, as_of=AS_OF, currency="USD", version="test")
    (effect,) = next(one for one in report.metrics if one.metric == "roi").effects
    treated, control = crowd.arm == 1, crowd.arm == 0
    gain = values["profit"][treated].mean() - values["profit"][control].mean()
    assert effect.absolute is not None
    assert effect.absolute.estimate == pytest.approx(gain / (cost[treated].mean() - cost[control].mean()))
    assert effect.absolute.lower is not None
    assert effect.absolute.lower < effect.absolute.estimate
    assert report.money[0].roi == effect.absolute


def test_every_export_says_what_an_extra_order_costs() -> None:
    """Markdown and HTML carry the sentence, in both languages, with its range or with the reason."""
    for orders, english, korean in (
        (1.2, "one extra order cost $", "비용이 US$"),
        (1.0, "can't be estimated", "없을 수도"),
    ):
        report = read(orders, 200)[0]
        assert english in as_markdown(report)
        assert korean in as_html(report, "ko")


def test_an_interval_turns_about_zero() -> None:
    """A negative factor swaps the ends, and an open end stays open on the other side."""
    assert Interval(1.0, -2.0, None).times(-3) == Interval(-3.0, None, 6.0)
