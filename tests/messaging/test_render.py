"""Compiling and rendering: names, languages, fallbacks, safety of what comes out."""

import hashlib
import json

import pytest

from messaging.shop import body_of, capsule_context, failure_of, one, upgrade_context
from offerlab.domain.offer import LocalizedText
from offerlab.errors import InvalidDefinition
from offerlab.messaging.languages import choose_locale, is_korean
from offerlab.messaging.message import compile_message, depends_on_customer, depends_on_trigger, template_hash
from offerlab.messaging.render import Rendered, Unrendered, render


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ offer.name }} {{ offer.discount_percent }}%", "캡슐 세트 20%"),
        ("{{ offer.price }} {{ offer.offer_price }}", "18000 14400"),
        ("{{ saving | money }} {{ saving_amount | money: currency }} {{ saving_percent }}%", "₩3,600 ₩3,600 20%"),
        ("{{ saving | money: 'USD' }}", "US$3,600.00"),
        ("{{ offer.name | josa: '을/를' }} {{ trigger.name | josa: '(으)로' }}", "캡슐 세트를 커피 머신으로"),
        ("{{ trigger.name }}을(를) 구매하셨나요?", "커피 머신을 구매하셨나요?"),
        ("{% if trigger %}{{ trigger }}{% endif %}{% if base %}x{% endif %}", "커피 머신"),
        ("{% for name in offer.names %}{{ forloop.index }}{{ name }}{% endfor %}", "1캡슐 세트"),
        ("{% assign n = offer.names.size %}{{ n }}{{ offer.names.first }}", "1캡슐 세트"),
        ("{% if customer.tier == 'vip' %}a{% else %}b{% endif %}", "b"),
        ("{{ locale }} {{ currency }}", "ko KRW"),
        ("{{ offer.code | default: '-' }}", "-"),
        ("{{ customer.since | default: 2020 | plus: 1 }}", "2021"),
    ],
)
def test_templates_say_what_the_offer_is(source: str, text: str) -> None:
    """Every field and filter of the contract renders."""
    assert text == body_of(source)


def test_the_three_texts_of_a_message() -> None:
    """Title, body and benefit are rendered apart; a local name of one is unknown in the next."""
    text = LocalizedText(
        title="{% assign x = 1 %}{{ offer.name }}", body="{{ offer.code | default: 'no' }}", benefit="{{ saving }}"
    )
    assert Rendered("캡슐 세트", "no", "3600", "ko") == render(compile_message({"ko": text}), capsule_context(), "ko")


@pytest.mark.parametrize(
    ("given_tags", "wanted", "chosen"),
    [
        (["en", "ko", "ko-KR"], "ko-KR", "ko-KR"),
        (["en", "ko"], "ko-KR", "ko"),
        (["en", "ko"], "KO_kr", "ko"),
        (["ko", "en"], "fr", "en"),
        (["ko", "ja"], "fr", "ko"),
        (["ko", "ja"], None, "ko"),
        (["ko", "en"], "", "en"),
        ([], "ko", None),
    ],
)
def test_language_is_chosen_exactly_then_loosely(given_tags: list[str], wanted: str | None, chosen: str | None) -> None:
    """Exact tag, then its language, then English, then the first given (design, section 4)."""
    assert chosen == choose_locale(given_tags, wanted)


@pytest.mark.parametrize(("tag", "expected"), [("ko", True), ("KO_kr", True), ("kok-IN", False), ("", False)])
def test_korean_is_a_language_not_two_letters(tag: str, expected: bool) -> None:  # noqa: FBT001 - expected
    """Konkani begins with the same letters."""
    assert is_korean(tag) is expected


def test_money_follows_the_language_spoken() -> None:
    """A German reader of an English text reads English amounts; a British reader of English reads British ones."""
    message = compile_message({"en": LocalizedText(body="{{ saving | money: 'USD' }}")})
    spoken = [render(message, capsule_context(), tag) for tag in ("de-DE", "en-GB")]
    assert [each.body for each in spoken if isinstance(each, Rendered)] == ["$3,600.00", "US$3,600.00"]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("{{ offer.nam }}", "offer.nam"),
        ("{{ nope }}", "nope"),
        ("{{ now }}", "now"),
        ("{{ customer }}", "customer"),
        ("{{ offer[trigger.name] }}", "offer[trigger.name]"),
        ("{{ customer[offer.name] }}", "customer[offer.name]"),
        ("{{ offer.names[0].x }}", "offer.names[0].x"),
        ("{% if a %}{% endif %}", "a"),
        ("{{ partial }}", "partial"),
        ("{{ money_locale }}", "money_locale"),
    ],
)
def test_an_unknown_name_is_refused_when_saved(source: str, name: str) -> None:
    """The error names the field of the message and the unknown name."""
    with pytest.raises(InvalidDefinition) as refused:
        one(source)
    assert (refused.value.field, repr(name) in refused.value.detail) == ("message.ko.body", True)


def test_a_misspelt_name_gets_a_suggestion() -> None:
    """`offer.nme` is told about `offer.name`."""
    with pytest.raises(InvalidDefinition, match=r"did you mean 'offer\.name'"):
        one("{{ offer.nme }}")


@pytest.mark.parametrize(
    "source",
    [
        "{{ x",
        "{% if %}",
        "{% nope %}",
        "{{ offer.name | nope }}",
        "{{ offer.name | josa }}",
        "{{ offer.name | josa: 'xx' }}",
        "{{ saving | money: 'won' }}",
        "{% include 'x' %}",
        "{% render 'x' %}",
        "{% raw %}{{ x }}{% endraw %}",
        "{% assign offer = 1 %}",
        "{% assign now = 1 %}",
        "{% for customer in offer.names %}{% endfor %}",
        "{% break %}",
        "{% liquid echo 'x' %}",
        "{{ offer.name | date: '%Y' }}",
        "{% capture x %}{% endcapture %}",
        "}}",
        "{{ offer.name }} %}",
    ],
)
def test_what_is_no_message_is_refused_when_saved(source: str) -> None:
    """Bad Liquid, foreign tags and filters, files, the clock and shadowed names never get into a ruleset."""
    with pytest.raises(InvalidDefinition) as refused:
        one(source)
    assert refused.value.field == "message.ko.body"


@pytest.mark.parametrize("tag", ["", "k", "ko KR", "ko-", "../x"])
def test_a_language_has_a_tag(tag: str) -> None:
    """A key of `message` that is no language tag is refused."""
    with pytest.raises(InvalidDefinition):
        one("x", locale=tag)


def test_too_many_languages_are_refused() -> None:
    """Fifty languages are enough."""
    tags = [f"a{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(51)]
    with pytest.raises(InvalidDefinition):
        compile_message({tag: LocalizedText(body="x") for tag in tags})


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ customer.first_name }}", "missing_value"),
        ("{{ base.name }}", "missing_value"),
        ("{{ offer.features | must_have | join: ', ' }}", "missing_value"),
        ("{{ customer.first_name | must_have }}", "missing_value"),
        ("{{ offer.name | money }}", "failed"),
        ("{{ offer.names | money }}", "failed"),
        ("{{ saving | divided_by: 0 }}", "failed"),
    ],
)
def test_what_cannot_be_said_is_a_reason_not_an_error(source: str, reason: str) -> None:
    """At send a missing or unfit value gives Unrendered with its field: the block is left out, nothing is raised."""
    failure = failure_of(source)
    assert (reason, "message.ko.body") == (failure.reason, failure.field)


def test_a_message_without_texts_has_nothing_to_say() -> None:
    """An empty message is an answer too."""
    assert getattr(render(compile_message({}), capsule_context(), "ko"), "reason", None) == "no_text"


def test_must_have_lets_a_value_pass() -> None:
    """`must_have` changes nothing about a value that is there."""
    assert body_of("{{ offer.features | must_have | join: ', ' }}", upgrade_context()) == "Wi-Fi, 예약 추출"


def test_messages_that_differ_by_customer_or_trigger() -> None:
    """A message without customer fields or codes can be rendered once; the trigger counts apart."""
    generic, personal = one("{{ offer.name }}"), one("{{ customer.first_name | default: 'x' }}")
    assert [depends_on_customer(m) for m in (generic, personal, one("{{ offer.code }}"))] == [False, True, True]
    assert [depends_on_trigger(m) for m in (generic, one("{{ trigger.name }}"), one("{{ price_diff }}"))] == [
        False,
        True,
        True,
    ]


def test_personal_and_generic_wording_are_two_arms() -> None:
    """S96: the personal message differs by customer, the generic one does not, and their hashes tell them apart."""
    personal, generic = one("{{ customer.first_name | default: '고객' }}님, {{ offer.name }}"), one("{{ offer.name }}")
    said = [
        {render(message, capsule_context(customer={"first_name": name}), "ko") for name in ("민수", "지은")}
        for message in (personal, generic)
    ]
    assert [len(words) for words in said] == [2, 1]
    assert personal.hash != generic.hash


def test_the_hash_is_the_version_of_the_words() -> None:
    """S47: the same texts have one hash in any order and normal form, other texts another; the vector is frozen."""
    ko, en = LocalizedText(title="캡슐 세트", body="{{ offer.name }}"), LocalizedText(body="x")
    canonical = json.dumps(
        [["en", "", "x", ""], ["ko", ko.title, ko.body, ""]], ensure_ascii=False, separators=(",", ":")
    )
    assert hashlib.sha256(canonical.encode()).hexdigest()[:16] == template_hash({"ko": ko, "en": en})
    assert template_hash({"ko": ko, "en": en}) == "3b356924fa145b3b"
    assert template_hash({"en": en, "ko": ko}) == compile_message({"ko": ko, "en": en}).hash
    assert template_hash({"ko": LocalizedText(title="각")}) == template_hash(
        {"ko": LocalizedText(title="\u1100\u1161\u11a8")}
    )
    assert template_hash({"ko": LocalizedText(title="a")}) != template_hash({"ko": LocalizedText(body="a")})


@pytest.mark.parametrize("breaker", ["\r\n", "\n", "\r", "\u2028", "\u0085", "\t", "\x0b"])
def test_a_title_stays_on_one_line(breaker: str) -> None:
    """A31: a line break in a value can't begin a second mail header."""
    message = compile_message(
        {"ko": LocalizedText(title="Hi {{ customer.name }}", benefit="{{ customer.name }}", body="x")}
    )
    rendered = render(message, capsule_context(customer={"name": f"A{breaker}Bcc: evil@example.com"}), "ko")
    assert isinstance(rendered, Rendered)
    assert not set("\r\n\t\x0b\u2028\u0085") & set(rendered.title + rendered.benefit)


def test_text_direction_cannot_be_turned() -> None:
    """A30: right-to-left overrides and control characters of a value are dropped; line breaks of a body stay."""
    context = capsule_context(customer={"name": "a\u202eb\u2066c\x00\x1b[31m"})
    assert body_of("{{ customer.name }}\r\nx\u2028y", context) == "abc[31m\nx\ny"


def test_a_render_leaves_nothing_behind() -> None:
    """The same message rendered again for another customer shows nothing of the first."""
    message = one("{% if customer.a %}{% assign x = customer.a %}{% else %}{% assign x = 'none' %}{% endif %}{{ x }}")
    bodies = [render(message, capsule_context(customer=who), "ko") for who in ({"a": "1"}, {}, {"a": "2"})]
    assert [each.body for each in bodies if not isinstance(each, Unrendered)] == ["1", "none", "2"]
