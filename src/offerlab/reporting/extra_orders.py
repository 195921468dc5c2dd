"""What one order more costs: the extra cost of an offer over the orders that it brought, both against control.

Buying an order anew and bringing a customer back for one are compared by this figure. It divides two uncertain
differences; where the extra orders can't be told from none there is nothing to divide by, and it says so.
"""

from typing import Final

import numpy as np
from scipy.special import ndtri

from offerlab.reporting.comparing import increments_of, mean_outcome
from offerlab.reporting.metrics import Frame, as_interval
from offerlab.reporting.report import ExtraOrders, Interval, Undetermined
from offerlab.stats import contrast
from offerlab.stats import effect as stats
from offerlab.stats.effects import SHAPES

COST: Final = "offer_cost"
ORDERS: Final = "paid_orders"


def extra_orders(frame: Frame, reference: int, treatment: int, per: int) -> ExtraOrders:
    """Extra orders, their extra cost and the cost of one, without what needs a unit cost.

    Args:
        frame: of the whole experiment, with the sums of `COST` and `ORDERS`.
        reference: index of the control arm.
        treatment: index of the arm compared.
        per: customers that orders and cost are given for.

    Source:
        Fieller (1954), JRSS-B 16(2), 175-185: the set is bounded exactly when the orders' range leaves out zero.
    """
    if frame.experiment.control is None:
        why = Undetermined("no_control", "Without a control arm nobody knows which orders came anyway.")
        return ExtraOrders(orders=None, cost=None, cost_per_order=None, undetermined=why)
    alpha, strata = frame.rule.alpha, frame.strata
    orders = mean_outcome(ORDERS, strata, reference, treatment, alpha)
    cost = mean_outcome(COST, strata, reference, treatment, alpha)
    each = _each(frame, reference, treatment, orders)
    return ExtraOrders(
        orders=_per(orders, per),
        cost=_per(cost, per),
        cost_per_order=each if isinstance(each, Interval) else None,
        undetermined=each if isinstance(each, Undetermined) else None,
    )


def _each(frame: Frame, reference: int, treatment: int, orders: stats.Outcome) -> Interval | Undetermined:
    """The cost of one extra order with Fieller's range, or why it can't be said."""
    if isinstance(orders, stats.Undetermined):
        return Undetermined(orders.reason, orders.detail)
    if orders.absolute.upper < 0:
        return Undetermined("fewer_orders", "There are fewer orders than in control, not more.")
    if frame.strata.follows_results:
        return Undetermined("follows_results", "The weights followed the results: a ratio can't be read without bias.")
    none = Undetermined("no_extra_orders", "The range of the extra orders holds none.")
    if orders.absolute.lower <= 0:
        return none
    pair = increments_of(frame.strata, (COST, ORDERS), reference, treatment)
    if not float(pair.top[0]) and not float(pair.v_tt[0]):
        return Undetermined("costs_nothing", "Neither a discount nor a delivery cost sets the arms apart.")
    said = contrast.ratios(pair, np.array([-ndtri(frame.rule.alpha / 2)]), null=0.0)
    if SHAPES[int(said.shape[0])] != "bounded":
        return none
    return Interval(float(pair.top[0] / pair.base[0]), float(said.lower[0]), float(said.upper[0]))


def _per(said: stats.Outcome, customers: int) -> Interval | None:
    return None if isinstance(said, stats.Undetermined) else as_interval(said.absolute).times(customers)
