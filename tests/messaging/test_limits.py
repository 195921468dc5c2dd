"""A28: what a hostile template can't do. Times stand in benchmarks/messaging.py, the limits themselves here."""

import pytest

from messaging.shop import CAPSULES, body_of, capsule_context, failure_of, one
from offerlab.domain.offer import Offer
from offerlab.errors import InvalidDefinition
from offerlab.messaging.context import Context, context_for
from offerlab.messaging.language import MAX_OUTPUT, MAX_ROUNDS


@pytest.mark.parametrize(
    "source",
    [
        "{{7*7}}",
        "{{ ''.__class__ }}",
        "{{ offer.__class__ }}",
        "{{ offer.name.__class__.__mro__ }}",
        "{% for i in (1..1000000000) %}x{% endfor %}",
        "{% for i in (1..1000000000) reversed %}x{% endfor %}",
        "{% for i in (1..1000000000) limit: 1 offset: 999999990 %}x{% endfor %}",
        "{{ (1..1000000000) | join: ',' }}",
        "{% assign r = (1..1000000000) %}",
        "{% if saving %}" * 20 + "{% endif %}" * 20,
        "{% for n in offer.names %}" * 11 + "{% endfor %}" * 11,
        "{% for n in offer.names %}" + "{{ n }}" * 50 + "{% endfor %}",
        "{" * 5000,
        "{{" * 2500,
        "{{-" + " " * 4900,
        "{{-" + " " * 100 + "}}",
        "{{ " + "(" * 4000 + " }}",
        "{{ a" + "[a" * 1600,
        "{% if saving " + "and saving " * 200 + "%}{% endif %}",
        "{{ saving }}" * 201,
        "x" * 5001,
    ],
    ids=lambda source: source[:40],
)
def test_hostile_templates_are_refused_when_saved(source: str) -> None:
    """Code, ranges, deep nesting, long loops and unclosed brackets are refused with the field's name."""
    with pytest.raises(InvalidDefinition) as refused:
        one(source)
    assert refused.value.field == "message.ko.body"


@pytest.mark.parametrize("source", ["{ { 7*7 } }", "${7*7}", "#{7*7}", "<%= 7*7 %", "{# comment #}", "{x}", "100% {a}"])
def test_other_languages_are_plain_text(source: str) -> None:
    """What other template languages would run is printed as it stands."""
    message = one(source)
    assert message.texts["ko"]["body"].template is None


def many(count: int, length: int = 10) -> Context:
    """An offer of `count` products with names of `length` letters."""
    product = CAPSULES.__class__(sku="x", name="y" * length, price_micro=1_000_000)
    return context_for(Offer(key="o", kind="cross_sell"), [product] * count, currency="KRW")


NESTED = "{% for a in offer.names %}{% for b in offer.names %}x{% endfor %}{% endfor %}"


@pytest.mark.parametrize(
    ("source", "context"),
    [
        ("{% for name in offer.names %}x{% endfor %}", many(MAX_ROUNDS + 1)),
        ("{% for name in offer.names reversed %}x{% endfor %}", many(MAX_ROUNDS + 1)),
        (NESTED, many(11)),
        ("{% assign s = offer.name %}" + "{% assign s = s | append: s %}" * 12, many(1, 100)),
        ("{% for n in offer.names %}{{ n | append: n }}{% endfor %}", many(100, 400)),
        ("{{ offer.names | join: offer.name }}", many(100, 200)),
        ("{% assign x = 9 %}" + "{% assign x = x | times: x %}" * 12, many(1)),
    ],
    ids=["loop", "reversed", "nested", "doubling", "output", "join", "number"],
)
def test_a_limit_stops_the_render(source: str, context: Context) -> None:
    """Loops, values, local names and output end at their limit, with that as the reason."""
    assert failure_of(source, context).reason == "limit"


def test_loops_up_to_the_limit_run() -> None:
    """The limits do not bite early: a hundred rounds are fine."""
    assert len(body_of(NESTED, many(10))) == 10 * 10


def test_output_never_exceeds_its_bytes() -> None:
    """Near the limit the text is whole, beyond it there is none: never a cut one."""
    fits = body_of("{% for n in offer.names %}{{ n }}{% endfor %}", many(100, 655))
    assert (len(fits), len(fits) <= MAX_OUTPUT) == (65_500, True)
    assert failure_of("{% for n in offer.names %}{{ n }}{% endfor %}", many(100, 656)).reason == "limit"


def test_a_filter_cannot_crash_the_render() -> None:
    """Arithmetic that Python refuses becomes a reason."""
    infinite = capsule_context(customer={"x": float("inf")})
    assert (
        failure_of("{{ customer.x | money }}", infinite).reason,
        failure_of("{{ customer.x | round: 3 }}", infinite).reason,
    ) == ("failed", "limit")
