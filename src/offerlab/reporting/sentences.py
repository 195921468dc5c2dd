"""A check or a reason with its numbers, as a sentence in the reader's language."""

from datetime import datetime
from typing import Final

from offerlab.domain.clock import to_micros
from offerlab.domain.metric import METRICS
from offerlab.reporting import figures
from offerlab.reporting.report import Check, ExtraOrders, Interval, Money, Reason, Report, Unit
from offerlab.reporting.words import EXTRA_ORDERS, Language, metric_name, say

_SUPPRESSIONS: Final[dict[str, tuple[str, str]]] = {
    "no_match": ("no match", "맞는 상품 없음"),
    "cap": ("contact limit", "노출 한도"),
    "consent": ("no consent", "수신 동의 없음"),
    "quiet_hours": ("quiet hours", "야간 제한"),
    "owned": ("already owned", "이미 보유"),
    "in_cart": ("already in the cart", "장바구니에 있음"),
    "out_of_stock": ("out of stock", "품절"),
    "low_affinity": ("weak match", "낮은 연관도"),
    "cooling_down": ("cooling down", "휴지 기간"),
}


def suppression(reason: str, language: Language) -> str:
    """Why an offer was held back, in words; an unknown code as it is."""
    return _SUPPRESSIONS.get(reason, (reason, reason))[language == "ko"]


def check_sentence(check: Check, language: Language) -> str:
    """What a trust check saw."""
    return say(
        "check", check.sentence, language, {name: _number(name, v, language) for name, v in check.numbers.items()}
    )


_COUNTS: Final = frozenset(("n", "N", "e", "t", "h", "epoch", "early"))


def _day(moment: str, language: Language) -> str:
    return figures.date(to_micros(datetime.fromisoformat(moment)), language)


def _number(name: str, value: float | str, language: Language) -> str:
    if name == "reasons" and isinstance(value, str):
        parts = (part.rpartition(" ") for part in value.split(", ") if part)
        each = {"en": "{}: {}", "ko": "{} {}명"}[language]
        return ", ".join(each.format(suppression(reason, language), count) for reason, _, count in parts)
    if isinstance(value, str):
        return _day(value, language) if name == "at" else value
    if name == "share":
        return figures.relative(value, language)
    return figures.count(value, language) if name in _COUNTS else figures.p_value(value)


def reason_sentence(reason: Reason, report: Report, language: Language) -> str:
    """A reason of the verdict; money in the report's currency."""
    return _fill(reason, report.facts.currency, language)


def _fill(reason: Reason, currency: str, language: Language) -> str:
    metric = METRICS.get(reason.metric) if reason.metric else None
    unit = reason.unit or (metric.unit if metric else "count")

    def amount(value: float | None, *, size: bool = False) -> str:
        if value is None:
            return {"en": "any size", "ko": "제한 없음"}[language]
        return figures.effect(abs(value) if size else value, unit, currency, language)

    def count(value: float | None) -> str:
        return "?" if value is None else figures.count(value, language)

    name = metric_name(reason.metric, language) if reason.metric else ""
    values = {
        "v": reason.variant or "",
        "seg": reason.segment or "",
        "m": name,
        "g": name,
        "abs": amount(reason.estimate, size=True),
        "x": amount(reason.estimate, size=True),
        "est": amount(reason.estimate),
        "lo": figures.end(reason.lower, unit, currency, language),
        "hi": figures.end(reason.upper, unit, currency, language, last=True),
        "loss": amount(reason.lower, size=True),
        "margin": amount(reason.margin, size=True),
        "mde": amount(reason.mde, size=True),
        "n": count(reason.days if reason.days is not None else reason.n),
        "N": count(reason.total),
        "k": count(reason.total),
        "w": count(reason.weeks),
        "why": reason.detail or "",
        "a": count(reason.n),
        "b": count(reason.total),
        "at": "" if reason.until is None else _day(reason.until, language),
    }
    if reason.code == "srm":
        return say("check", "srm", language, values | {"e": count(reason.expected), "n": count(reason.n)})
    return say("reason", reason.code, language, values)


def extra_orders_sentence(money: Money, language: Language) -> str | None:
    """What one extra order of a treatment cost, or why that can't be said; None without the figure."""
    found = money.extra_orders
    if found is None:
        return None
    values = {"v": money.variant, **_ends(found, money.currency, language)}
    if found.undetermined is None:
        return say("extra_orders", "cost", language, values)
    code = found.undetermined.reason if found.orders is not None else "other"
    return say("extra_orders", code if code in EXTRA_ORDERS else "other", language, values)


def _ends(found: ExtraOrders, currency: str, language: Language) -> dict[str, str]:
    """The cost of an order with its range; where there is none, the range of the orders."""
    unit: Unit = "count" if found.cost_per_order is None else "money"
    each = found.cost_per_order or found.orders or Interval(0.0, 0.0, 0.0)
    orders = found.orders or Interval(0.0, 0.0, 0.0)
    return {
        "abs": figures.effect(each.estimate, unit, currency, language),
        "lo": figures.end(each.lower, unit, currency, language),
        "hi": figures.end(each.upper, unit, currency, language, last=True),
        "n": figures.effect(orders.estimate, "count", currency, language),
    }
