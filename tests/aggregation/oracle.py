"""The same figures by brute force: loops over rows, written from the glossary and not from the SQL."""

from collections import Counter, defaultdict

from aggregation.history import EXPERIMENT, History, Row
from offerlab.domain.clock import DAY
from offerlab.domain.experiment import Experiment
from offerlab.domain.offer import Offer

AGAIN = 90 * DAY
PRE = 90 * DAY
Group = tuple[int, str | None, int, int]


def survivors(history: History, as_of: int) -> dict[int, int]:
    """Every given-up number with the one it counts under."""
    into = {row["customer"]: row["into_customer"] for row in history.merges if row["merged_at"] <= as_of}
    roots: dict[int, int] = {}
    for number in into:
        trail, here = [], number
        while here in into and here not in trail:
            trail.append(here)
            here = into[here]
        roots[number] = here if here not in into else min(trail[trail.index(here) :])
    return roots


def figures(
    history: History, experiment: Experiment, offers: tuple[Offer, ...], *, as_of: int, currency: str = "USD"
) -> dict[Group, list[Row]]:
    """Per-customer values by (variant or -1, segment, epoch, day)."""
    roots = survivors(history, as_of)
    by_customer: dict[int, list[Row]] = defaultdict(list)
    for row in history.exposures:
        if row["received_at"] <= as_of and row["experiment_id"] == EXPERIMENT:
            by_customer[roots.get(row["customer"], row["customer"])].append(row)
    known = {offer.key: offer for offer in offers}
    groups: dict[Group, list[Row]] = defaultdict(list)
    for customer, seen in by_customer.items():
        first = min(seen, key=_when)
        arms = {row["variant"] for row in seen}
        variant = first["variant"] if len(arms) == 1 else -1
        numbers = {customer} | {number for number, root in roots.items() if root == customer}
        offer = known.get(experiment.variants[variant].offer or "") if variant >= 0 else None
        values = _values(history, experiment, offers, offer, numbers, first, seen, as_of, currency, lost=variant < 0)
        group = (variant, first["segment"], first["epoch"], first["occurred_at"] // DAY)
        groups[group].append({**values, "exposures": len(seen), "t0": first["occurred_at"]})
    return dict(groups)


def _when(row: Row) -> tuple[int, str]:
    return row["occurred_at"], row["event_id"]


def current_orders(history: History, as_of: int) -> list[Row]:
    """One row per order id: the highest revision, then the earliest."""
    best: dict[str, Row] = {}
    for row in history.orders:
        if row["received_at"] > as_of:
            continue
        other = best.get(row["order_id"])
        if other is None or (-row["revision"], *_when(row)) < (-other["revision"], *_when(other)):
            best[row["order_id"]] = row
    return list(best.values())


def current_refunds(history: History, as_of: int, order_id: str) -> list[Row]:
    """The refunds of an order, each refund id once."""
    found = [r for r in history.refunds if r["received_at"] <= as_of and r["order_id"] == order_id]
    plain = [r for r in found if r["refund_id"] is None]
    firsts: dict[str, Row] = {}
    for row in sorted((r for r in found if r["refund_id"] is not None), key=_when):
        firsts.setdefault(row["refund_id"], row)
    return plain + list(firsts.values())


def _round_half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


def _settle(history: History, order: Row, limit: int, as_of: int) -> Row:
    """What came back of an order: money, quantities by line position, flags."""
    lines = [line for line in history.order_lines if line["event_id"] == order["event_id"]]
    by_id = {line["line_id"]: line for line in lines}
    money, cancelled, foreign, any_money = 0, False, 0, False
    quantity: Counter[int] = Counter()
    amount: Counter[int] = Counter()
    for refund in current_refunds(history, as_of, order["order_id"]):
        if refund["occurred_at"] >= limit:
            continue
        if refund["refund_id"] is None:
            cancelled = True
            continue
        if refund["currency"] is not None and refund["currency"] != order["currency"]:
            foreign += 1
            continue
        parts = 0
        for part in (p for p in history.refund_lines if p["event_id"] == refund["event_id"]):
            line = by_id.get(part["line_id"])
            if line is None:
                parts += part["amount_minor"] or 0
                continue
            whole = part["quantity"] is None and part["amount_minor"] is None
            taken = line["quantity"] if whole else min(part["quantity"] or 0, line["quantity"])
            value = part["amount_minor"]
            if value is None:
                value = _round_half_up(line["net_minor"] * taken, line["quantity"])
            parts += value
            quantity[line["position"]] += taken
            amount[line["position"]] += value
        money += parts if refund["amount_minor"] is None else refund["amount_minor"]
        any_money = money > 0
    net = order["net_minor"]
    back = net if cancelled else min(money, net)
    return {
        "lines": lines,
        "back": back,
        "cancelled": cancelled,
        "refunded": cancelled or any_money,
        "over": int(money > net),
        "foreign": foreign,
        "quantity": quantity,
        "amount": amount,
    }


def _kept(order: Row, settled: Row, line: Row) -> bool:
    position = line["position"]
    whole = order["net_minor"] > 0 and settled["back"] >= order["net_minor"]
    returned = settled["quantity"][position] >= line["quantity"]
    repaid = line["net_minor"] > 0 and settled["amount"][position] >= line["net_minor"]
    return not (settled["cancelled"] or whole or returned or repaid)


def _accepts(offer: Offer | None, lines: list[Row]) -> bool:
    """Whether an order of these lines takes the offer."""
    if offer is None:
        return False
    skus = {line["sku"] for line in lines}
    match offer.kind:
        case "cross_sell":
            return bool(skus & set(offer.products))
        case "upsell":
            return bool(skus & set(offer.products))
        case "bundle":
            return set(offer.products) <= skus
        case "order_bump":
            return any(line["offer"] == offer.key for line in lines)
        case _:
            return False


def _values(  # noqa: PLR0913, PLR0915 - one loop over everything a customer did, on purpose
    history: History,
    experiment: Experiment,
    offers: tuple[Offer, ...],
    offer: Offer | None,
    numbers: set[int],
    first: Row,
    seen: list[Row],
    as_of: int,
    currency: str,
    *,
    lost: bool,
) -> Row:
    t0, window = first["occurred_at"], experiment.window_days * DAY
    y: Counter[str] = Counter()
    y["window_open"] = int(t0 + window > as_of)
    y["refunds_open"] = int(t0 + window + experiment.refund_days * DAY > as_of)
    if lost:
        return y
    offered = {sku for each in offers for sku in each.products}
    mine = [o for o in current_orders(history, as_of) if o["customer"] in numbers]
    accepted_at: list[int] = []
    inside: list[int] = []
    for order in mine:
        at, own = order["occurred_at"], order["currency"] == currency
        if t0 - PRE <= at < t0 and own:
            y["pre_orders"] += 1
            y["pre_revenue"] += order["net_minor"]
        lines = [line for line in history.order_lines if line["event_id"] == order["event_id"]]
        if own and t0 + window <= at < t0 + 2 * window:
            y["displaced"] -= sum(line["net_minor"] for line in lines if line["sku"] in offered)
        if not t0 <= at < t0 + window:
            continue
        inside.append(at)
        settled = _settle(history, order, t0 + window + experiment.refund_days * DAY, as_of)
        y["orders"] += 1
        y["paid_orders"] += own
        y["other_currency"] += not own
        y["over_refunds"] += settled["over"]
        y["foreign_refunds"] += settled["foreign"]
        y["no_lines"] += not lines
        y["refunded"] |= settled["refunded"]
        if first["placement"] in {None, "product_page", "cart", "checkout"} and at < t0 + min(DAY, window):
            y["completed"] = 1
        if own:
            y["revenue"] += order["net_minor"] - settled["back"]
            y["given_back"] += settled["back"]
        for line in lines:
            _add_line(y, line, settled, own=own, offered=line["sku"] in offered)
        kept = [line for line in lines if _kept(order, settled, line)]
        base = (
            bool(offer) and offer.kind == "upsell" and bool({li["sku"] for li in lines} & set(offer.trigger_products))
        )
        if _accepts(offer, lines) and not base:
            assert offer is not None
            y["accepted"] = 1
            accepted_at.append(at)
            bump = offer.kind == "order_bump"
            took = [li for li in lines if (li["offer"] == offer.key if bump else li["sku"] in offer.products)]
            y["attributed"] += sum(line["net_minor"] for line in took) if own else 0
            y["fit"] |= _accepts(offer, kept)
        pairs = [
            ({li["sku"] for li in lines} & set(o.trigger_products), {li["sku"] for li in lines} & set(o.products))
            for o in offers
        ]
        y["trigger_orders"] += any(trigger for trigger, _ in pairs)
        y["attached_orders"] += any(trigger and product for trigger, product in pairs)
    y["converted"] = int(y["orders"] > 0)
    y["had_orders"] = int(y["pre_orders"] > 0)
    if inside:
        later = [o["occurred_at"] for o in mine if min(inside) < o["occurred_at"] <= min(inside) + AGAIN]
        if later:
            y["repeated"] = 1
            y["second_seconds"] = (min(later) - min(inside)) // 1_000_000
    for row in history.interactions:
        when = row["occurred_at"]
        if row["customer"] not in numbers or row["received_at"] > as_of or not t0 <= when < t0 + window:
            continue
        y["unsubscribed"] |= row["type"] == "unsubscribe"
        y["complained"] |= row["type"] == "complaint"
        about = row["experiment_id"] == EXPERIMENT or (
            row["experiment_id"] is None and offer is not None and row["offer"] == offer.key
        )
        if row["type"] == "offer_accepted" and about and offer is not None and offer.kind == "engagement":
            y["accepted"] = y["fit"] = 1
            accepted_at.append(when)
    if accepted_at:
        y["accept_seconds"] = (min(accepted_at) - t0) // 1_000_000
    if offer is not None and any(row["suppressed"] is None and row["occurred_at"] < t0 + window for row in seen):
        y["shown"] = 1
        y["delivery"] = offer.delivery_cost_micro // 100  # 7,500 millionths of a dollar are 75 hundredths of a cent
    y["profit"] = (y["revenue"] - y["goods"]) * 100 - y["delivery"]
    y["offer_cost"] = y["discount"] * 100 + y["delivery"]
    return y


def _add_line(y: Counter[str], line: Row, settled: Row, *, own: bool, offered: bool) -> None:
    """What one line inside the window adds."""
    y["bought"] |= offered
    if not own:
        return
    full = line["net_minor"] + line["discount_minor"]
    y["lines"] += 1
    y["uncosted"] += line["cost_minor"] is None
    y["discount"] += line["discount_minor"]
    y["offered_full" if offered else "rest_full"] += full
    y["offered_units"] += line["quantity"] if offered else 0
    y["displaced"] -= 0 if offered else line["net_minor"]
    if line["cost_minor"] is not None and not settled["cancelled"]:
        taken = min(settled["quantity"][line["position"]], line["quantity"])
        y["goods"] += line["cost_minor"] - _round_half_up(line["cost_minor"] * taken, line["quantity"])


def product_sum(rows: list[Row], monomial: tuple[str, ...]) -> int:
    """The sum over customers of a product of values."""
    total = 0
    for row in rows:
        term = 1
        for name in monomial:
            value = row.get(name.removesuffix("?"), 0)
            term *= int(value != 0) if name.endswith("?") else value
        total += term
    return total
