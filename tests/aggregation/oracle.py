"""The same figures by brute force: loops over rows, written from the glossary and not from the SQL."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from aggregation.history import EXPERIMENT, History, Row
from offerlab.domain.clock import DAY
from offerlab.domain.experiment import Experiment
from offerlab.domain.offer import Offer
from offerlab.reporting.measures import FLAGS

AGAIN = 90 * DAY
PRE = 90 * DAY
Group = tuple[int, str | None, int, int]


def survivors(history: History, as_of: int) -> dict[int, int]:
    """Every given-up number with the one it counts under."""
    into = {row["customer"]: row["into_customer"] for row in history.merges if row["merged_at"] <= as_of}
    roots: dict[int, int] = {}
    for number in into:
        trail: list[int] = []
        here = number
        while here in into and here not in trail:
            trail.append(here)
            here = into[here]
        roots[number] = here if here not in into else min(trail[trail.index(here) :])
    return roots


@dataclass
class World:
    """A history and the question asked of it."""

    history: History
    experiment: Experiment
    offers: tuple[Offer, ...]
    as_of: int
    currency: str = "USD"

    def __post_init__(self) -> None:
        self.window = self.experiment.window_days * DAY
        self.refunds = self.experiment.refund_days * DAY
        self.picked: dict[str, set[str]] = defaultdict(set)
        for row in self.history.exposure_skus:
            self.picked[row["event_id"]].add(row["sku"])
        self.offered = {sku for offer in self.offers for sku in offer.products}
        self.picks_of: dict[str, set[str]] = defaultdict(set)
        for row in self.history.exposures:
            if row["received_at"] <= self.as_of:
                self.offered |= self.picked[row["event_id"]]
                key = self.experiment.variants[row["variant"]].offer
                self.picks_of[key or ""] |= self.picked[row["event_id"]]


def figures(world: World) -> dict[Group, list[Row]]:
    """Per-customer values by (variant or -1, segment, epoch, day)."""
    roots = survivors(world.history, world.as_of)
    by_customer: dict[int, list[Row]] = defaultdict(list)
    for row in world.history.exposures:
        if row["received_at"] <= world.as_of:
            number: int = row["customer"]
            by_customer[roots.get(number, number)].append(row)
    groups: dict[Group, list[Row]] = defaultdict(list)
    for customer, seen in by_customer.items():
        arms = {row["variant"] for row in seen}
        variant = arms.pop() if len(arms) == 1 else -1
        numbers = {customer} | {number for number, root in roots.items() if root == customer}
        person = _Customer(world, numbers, seen, variant)
        values = person.windows() if variant < 0 else person.values()
        group = (variant, person.first["segment"], person.first["epoch"], person.t0 // DAY)
        groups[group].append({**values, "exposures": len(seen)})
    for name in ("revenue", "profit"):
        cap(groups, name)
    return dict(groups)


def cap(groups: dict[Group, list[Row]], name: str) -> int | None:
    """Add `capped_…` to every row: no further from zero than 99 % of the analysed customers who have a value."""
    sizes = sorted(abs(row.get(name, 0)) for key, rows in groups.items() if key[0] >= 0 for row in rows)
    sizes = [size for size in sizes if size]
    limit = next((size for i, size in enumerate(sizes, 1) if 100 * i >= 99 * len(sizes)), None)
    for rows in groups.values():
        for row in rows:
            value = row.get(name, 0)
            row[f"capped_{name}"] = value if limit is None else max(-limit, min(limit, value))
    return limit


def _when(row: Row) -> tuple[int, str]:
    return row["occurred_at"], row["event_id"]


def current_orders(world: World) -> list[Row]:
    """One row per order id: the highest revision, then the earliest; bought when it was first told."""
    best: dict[str, Row] = {}
    bought: dict[str, int] = {}
    for row in world.history.orders:
        if row["received_at"] > world.as_of:
            continue
        bought[row["order_id"]] = min(row["occurred_at"], bought.get(row["order_id"], row["occurred_at"]))
        other = best.get(row["order_id"])
        if other is None or (-row["revision"], *_when(row)) < (-other["revision"], *_when(other)):
            best[row["order_id"]] = row
    return [{**row, "occurred_at": bought[name]} for name, row in best.items()]


def current_refunds(world: World, order_id: str) -> list[Row]:
    """The refunds of an order, each refund id once."""
    found = [r for r in world.history.refunds if r["received_at"] <= world.as_of and r["order_id"] == order_id]
    plain = [r for r in found if r["refund_id"] is None]
    firsts: dict[str, Row] = {}
    for row in sorted((r for r in found if r["refund_id"] is not None), key=_when):
        firsts.setdefault(row["refund_id"], row)
    return plain + list(firsts.values())


def lines_of(history: History, order: Row) -> list[Row]:
    """The lines of an order event."""
    return [line for line in history.order_lines if line["event_id"] == order["event_id"]]


def _round_half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


def _settle(world: World, order: Row, limit: int) -> Row:
    """What came back of an order: money, quantities by line position, flags."""
    lines = lines_of(world.history, order)
    by_id = {line["line_id"]: line for line in lines}
    money, cancelled, foreign, any_money = 0, False, 0, False
    quantity: Counter[int] = Counter()
    amount: Counter[int] = Counter()
    for refund in current_refunds(world, order["order_id"]):
        if refund["occurred_at"] >= limit:
            continue
        if refund["refund_id"] is None:
            cancelled = True
            continue
        if refund["currency"] is not None and refund["currency"] != order["currency"]:
            foreign += 1
            continue
        parts = 0
        for part in (p for p in world.history.refund_lines if p["event_id"] == refund["event_id"]):
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


class _Customer:
    """Everything one person did, added up."""

    def __init__(self, world: "World", numbers: set[int], seen: list[Row], variant: int) -> None:
        self.world, self.numbers, self.seen = world, numbers, seen
        self.first = min(seen, key=_when)
        self.t0 = self.first["occurred_at"]
        key = world.experiment.variants[variant].offer if variant >= 0 else None
        self.offer = next((offer for offer in world.offers if offer.key == key), None)
        self.y: Counter[str] = Counter()
        self.accepted_at: list[int] = []
        self.some_items = False
        self.inside: list[int] = []
        self.ago: list[int] = []

    def windows(self) -> Counter[str]:
        """Whether anything can still come."""
        end = self.t0 + self.world.window
        self.y["window_open"] = int(end > self.world.as_of)
        self.y["refunds_open"] = int(end + self.world.refunds > self.world.as_of)
        return self.y

    def values(self) -> Counter[str]:
        """All values of an analysed customer."""
        y = self.windows()
        mine = [order for order in current_orders(self.world) if order["customer"] in self.numbers]
        for order in mine:
            self._add_order(order)
        y["converted"] = int(y["orders"] > 0)
        y["had_orders"] = int(y["pre_orders"] > 0)
        y["pre_days"] = min(self.ago, default=0)
        if self.inside:
            first = min(self.inside)
            later = [o["occurred_at"] for o in mine if first < o["occurred_at"] <= first + AGAIN]
            y["repeated"] = int(bool(later))
            y["second_seconds"] = (min(later) - first) // 1_000_000 if later else 0
        for row in self.world.history.interactions:
            self._add_act(row)
        y["partial_bundle"] = int(self.some_items and not y["accepted"])
        if self.accepted_at:
            y["accept_seconds"] = (min(self.accepted_at) - self.t0) // 1_000_000
        early = [row for row in self.seen if row["occurred_at"] < self.t0 + self.world.window]
        if self.offer is not None and any(row["suppressed"] is None for row in early):
            y["shown"] = 1
            y["delivery"] = self.offer.delivery_cost_micro // 100  # in hundredths of a cent
        y["profit"] = (y["revenue"] - y["goods"]) * 100 - y["delivery"]
        y["offer_cost"] = y["discount"] * 100 + y["delivery"]
        return y

    def _add_order(self, order: Row) -> None:
        y, window, at = self.y, self.world.window, order["occurred_at"]
        own = order["currency"] == self.world.currency
        lines = lines_of(self.world.history, order)
        if self.t0 - PRE <= at < self.t0 and own:
            y["pre_orders"] += 1
            y["pre_revenue"] += order["net_minor"]
            self.ago.append((self.t0 - at) // DAY)
        if own and self.t0 + window <= at < self.t0 + 2 * window:
            y["displaced"] -= sum(line["net_minor"] for line in lines if line["sku"] in self.world.offered)
        if self.t0 <= at < self.t0 + window:
            self.inside.append(at)
            part = (at - self.t0) * 7 // window + 1
            y[f"count_part_{part}"] += 1
            y[f"money_part_{part}"] += own * order["net_minor"]
            settled = _settle(self.world, order, self.t0 + window + self.world.refunds)
            self._add_inside(order, lines, settled, own=own)
            self._add_acceptance(order, lines, settled, own=own)

    def _add_inside(self, order: Row, lines: list[Row], settled: Row, *, own: bool) -> None:
        y = self.y
        y["orders"] += 1
        y["paid_orders"] += own
        y["other_currency"] += not own
        y["over_refunds"] += settled["over"]
        y["foreign_refunds"] += settled["foreign"]
        y["no_lines"] += not lines
        y["refunded"] |= settled["refunded"]
        before = self.first["placement"] in {None, "product_page", "cart", "checkout"}
        y["completed"] |= before and order["occurred_at"] < self.t0 + min(DAY, self.world.window)
        y["revenue"] += own * (order["net_minor"] - settled["back"])
        y["given_back"] += own * settled["back"]
        for line in lines:
            _add_line(y, line, settled, own=own, offered=line["sku"] in self.world.offered)
        skus = {line["sku"] for line in lines}
        pairs = [
            (skus & set(each.trigger_products), skus & (set(each.products) | self._also(each)))
            for each in self.world.offers
        ]
        y["trigger_orders"] += any(trigger for trigger, _ in pairs)
        y["attached_orders"] += any(trigger and product for trigger, product in pairs)

    def _add_acceptance(self, order: Row, lines: list[Row], settled: Row, *, own: bool) -> None:
        offer = self.offer
        if offer is not None and offer.kind == "bundle":
            there = {line["sku"] for line in lines} & self._offered(offer, order["occurred_at"])
            self.some_items |= 1 <= len(there) <= len(offer.products) - 1
        if offer is None or not self._accepts(offer, lines, order["occurred_at"]):
            return
        if offer.kind == "upsell" and {line["sku"] for line in lines} & set(offer.trigger_products):
            return
        self.y["accepted"] = 1
        self.accepted_at.append(order["occurred_at"])
        kept = [line for line in lines if _kept(order, settled, line)]
        self.y["fit"] |= self._accepts(offer, kept, order["occurred_at"])
        bump, mine = offer.kind == "order_bump", self._offered(offer, order["occurred_at"])
        took = [line for line in lines if (line["offer"] == offer.key if bump else line["sku"] in mine)]
        instead = 700 if offer.kind == "upsell" else 0  # the fridge's price, in cents
        self.y["attributed"] += own * sum(line["net_minor"] - instead * line["quantity"] for line in took)

    def _also(self, offer: Offer) -> set[str]:
        """What was picked for anybody who was shown this offer, and sets nothing off."""
        return self.world.picks_of[offer.key] - set(offer.trigger_products)

    def _offered(self, offer: Offer, at: int) -> set[str]:
        """What this customer was offered by then: what was picked, or all of it."""
        picks = {row["event_id"]: self.world.picked[row["event_id"]] for row in self.seen}
        if not any(picks.values()):
            return set(offer.products)
        found: set[str] = set()
        for row in (each for each in self.seen if each["occurred_at"] <= at):
            found |= picks[row["event_id"]]
            if not picks[row["event_id"]] and row["suppressed"] is None:
                found |= set(offer.products)
        return found

    def _accepts(self, offer: Offer, lines: list[Row], at: int) -> bool:
        return _accepts(offer, lines, self._offered(offer, at))

    def _add_act(self, row: Row) -> None:
        known = row["customer"] in self.numbers and row["received_at"] <= self.world.as_of
        if not known or not self.t0 <= row["occurred_at"] < self.t0 + self.world.window:
            return
        self.y["unsubscribed"] |= row["type"] == "unsubscribe"
        self.y["complained"] |= row["type"] == "complaint"
        if row["type"] == "feedback" and row["number"] is not None and row["experiment_id"] in {None, EXPERIMENT}:
            self.y["ratings"] += 1
            self.y["rating_hundredths"] += round(row["number"] * 100)
        if row["type"] == "offer_accepted" and self.offer is not None and self.offer.kind == "engagement":
            named = row["experiment_id"] is None and row["offer"] == self.offer.key
            if row["experiment_id"] == EXPERIMENT or named:
                self.y["accepted"] = self.y["fit"] = 1
                self.accepted_at.append(row["occurred_at"])


def _accepts(offer: Offer, lines: list[Row], offered: set[str]) -> bool:
    """Whether lines of one order take the offer (an upsell also needs the base to be absent)."""
    skus = {line["sku"] for line in lines}
    match offer.kind:
        case "cross_sell" | "upsell":
            return bool(skus & offered)
        case "bundle":
            return len(offer.products) <= len(skus & offered)
        case "order_bump":
            return any(line["offer"] == offer.key for line in lines)
        case _:
            return False


def _add_line(y: Counter[str], line: Row, settled: Row, *, own: bool, offered: bool) -> None:
    """What one line inside the window adds."""
    y["bought"] |= offered
    if not own:
        return
    y["lines"] += 1
    y["uncosted"] += line["cost_minor"] is None
    y["discount"] += line["discount_minor"]
    y["offered_full" if offered else "rest_full"] += line["net_minor"] + line["discount_minor"]
    y["offered_units"] += line["quantity"] if offered else 0
    y["displaced"] -= 0 if offered else line["net_minor"]
    if line["cost_minor"] is not None and not settled["cancelled"]:
        taken = min(settled["quantity"][line["position"]], line["quantity"])
        y["goods"] += line["cost_minor"] - _round_half_up(line["cost_minor"] * taken, line["quantity"])


def product_sum(rows: list[Row], monomial: tuple[str, ...]) -> int:
    """The sum over customers of a product of values; each product of numbers is the nearest double, the sum exact."""
    numbers = [name for name in monomial if name not in FLAGS]
    total = 0
    for row in rows:
        term: float = 1
        for name in monomial:
            value = row.get(name.removesuffix("?"), 0)
            factor = int(value != 0) if name.endswith("?") else value
            term *= float(factor) if len(numbers) > 1 else factor
        total += int(term)
    return total
