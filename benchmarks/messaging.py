"""What a message costs: a typical one against str.format, and the dearest templates that are accepted (A28: 50 ms).

Run: PYTHONPATH=src python benchmarks/messaging.py
Prints a ratio to a plain str.format with the same words in the same run, and the slowest hostile compile and render.
"""

import os
import platform
import timeit
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from importlib.metadata import version
from pathlib import Path

from offerlab.domain.offer import LocalizedText
from offerlab.errors import InvalidDefinition
from offerlab.messaging.context import Context, OfferFields, ProductFields
from offerlab.messaging.message import Message, compile_message
from offerlab.messaging.render import render

ROUNDS = 9
TYPICAL = {
    "ko": LocalizedText(
        title="{{ offer.name }} {{ offer.discount_percent }}% 할인",
        body="{{ trigger.name }}을(를) 구매하셨나요? {{ offer.name }}(으)로 즐겨보세요! ({{ saving | money }} 절약)",
    )
}
LONG = "y" * 900
HOSTILE = (
    "{% for n in offer.names %}{{ n | upcase | downcase | upcase }}{{ n | append: n | append: n }}{% endfor %}",
    "{% for n in offer.names %}{% assign s = n | append: n | append: n | upcase %}{% endfor %}",
    "{% for n in offer.names %}{% assign s = 'a' | append: n | upcase | downcase | upcase | size %}{% endfor %}",
    "{% for n in customer.list %}{{ offer.names | join: n | size }}{% endfor %}",
    "{% for n in customer.list %}{{ forloop.index | times: 1000003 | money }}{% endfor %}",
    "{% for a in offer.names %}{% for b in offer.names %}x{% endfor %}{% endfor %}",
    "{% assign s = offer.name %}" + "{% assign s = s | append: s %}" * 20,
    "{{ offer.price | money }}" * 190,
    "{{ saving }}" * 200,
    "{{ 'x' " + "| upcase" * 50 + "}}",
    "{" * 5000,
    "{{" * 2500,
    "{{-" + " " * 4900,
    "{% raw %}" * 500,
    "{{7*7}}",
    "{% for i in (1..1000000000) reversed %}x{% endfor %}",
)


def best(call: Callable[[], object], number: int) -> float:
    """Seconds per call, the best of several rounds (the others were disturbed)."""
    return min(timeit.repeat(call, number=number, repeat=ROUNDS)) / number


def typical() -> tuple[float, float]:
    """Seconds of a typical two-field message, and of str.format with the same fields."""
    message = compile_message(TYPICAL)
    context = Context(
        offer=OfferFields(
            name="캡슐 세트",
            names=("캡슐 세트",),
            price=Decimal(18000),
            offer_price=Decimal(14400),
            discount_percent=Decimal(20),
        ),
        currency="KRW",
        trigger=ProductFields(name="커피 머신", sku="m", price=Decimal(129000)),
    )
    title, body = "{} {}% 할인", "{}을 구매하셨나요? {}로 즐겨보세요! ({} 절약)"
    ours = best(lambda: render(message, context, "ko-KR"), 500)
    plain = best(lambda: (title.format("캡슐 세트", 20), body.format("커피 머신", "캡슐 세트", "₩3,600")), 5000)
    return ours, plain


def hostile() -> tuple[float, float]:
    """Seconds of the slowest compile (accepted or refused) and of the slowest render, each the best of three."""
    context = Context(
        offer=OfferFields(name=LONG, names=(LONG,) * 100, price=Decimal(3), offer_price=Decimal(2)),
        currency="KRW",
        customer={"list": [LONG] * 100},
    )
    compiles = [best_of_three(partial(attempt, source)) for source in HOSTILE]
    accepted = [message for source in HOSTILE if (message := attempt(source)) is not None]
    renders = [best_of_three(partial(render, message, context, "en")) for message in accepted]
    return max(compiles), max(renders)


def attempt(source: str) -> Message | None:
    """The compiled message, or None where it is refused."""
    try:
        return compile_message({"en": LocalizedText(body=source)})
    except InvalidDefinition:
        return None


def best_of_three(call: Callable[[], object]) -> float:
    """Seconds of one call, the best of three."""
    return min(timeit.repeat(call, number=1, repeat=3))


def main() -> None:
    """Measure, print, and write a row to results.md."""
    ours, plain = typical()
    slowest_compile, slowest_render = hostile()
    row = (
        f"| {datetime.now(UTC):%Y-%m-%d} | messaging | "
        f"typical message {ours * 1e6:.0f} µs, {ours / plain:.0f} x str.format; "
        f"hostile: compile {slowest_compile * 1e3:.1f} ms, render {slowest_render * 1e3:.1f} ms | "
        f"python-liquid {version('python-liquid')}, Python {platform.python_version()}, {os.cpu_count()} cores |"
    )
    print(row)
    results = Path(__file__).with_name("results.md")
    if not results.exists():
        results.write_text(
            "# Benchmark results\n\n| date | what | result | where |\n|---|---|---|---|\n", encoding="utf-8"
        )
    with results.open("a", encoding="utf-8") as book:
        book.write(row + "\n")


if __name__ == "__main__":
    main()
