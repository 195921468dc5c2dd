"""A glance at a body refuses what a full reading refuses."""

import json
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from offerlab.errors import InvalidInput
from offerlab.intake.canonical import decode_all
from offerlab.intake.strict import check, quick_check

WORDS = st.sampled_from(["a", "b", "", ":", ":a", "a:", ",", "a,", " :", "é", "1"])
GAP = st.sampled_from(["", "", "", " ", "\n", "\t"])
LEAVES = st.one_of(WORDS.map(json.dumps), st.sampled_from(["1", "null", "true", "-1.5", "1234567890123456789012"]))


def _object(members: list[tuple[str, str, str, str]]) -> str:
    return "{" + ",".join(f'"{key}"{before}:{after}{value}' for key, before, after, value in members) + "}"


BODIES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: "[" + ",".join(items) + "]"),
        st.lists(st.tuples(WORDS, GAP, GAP, inner), max_size=5).map(_object),
    ),
    max_leaves=12,
)


def refusal(reader: Callable[[bytes], None], body: bytes) -> str | None:
    """The code with which a reader refuses a body."""
    try:
        reader(body)
    except InvalidInput as error:
        return error.code
    return None


@given(BODIES)
@example('{"a":1,"a" :2}')
@example('{"a":1,"a"\n:2}')
@example('{":a":1,":a":2}')
@example('{"x":":a","y":":a","x":1}')
@example('{"v":"v",":k":1,"v":2}')
@example('[{"sku":"a"},{"sku":"b"}]')
@example('[{"sku":"a"},{"sku":"b","sku":"c"}]')
def test_a_glance_refuses_what_a_full_reading_refuses(text: str) -> None:
    """For any JSON with few words, odd spaces and colons in odd places: the same code, or none from both."""
    body = text.encode()
    msgspec.json.decode(body)
    assert refusal(quick_check, body) == refusal(check, body)


@pytest.mark.parametrize("body", ['{"a":1,"a":2}', '{"a":{"b":1,"b":2}}', '{"a":1,"b":[{"a" :1,"a":1}]}'])
def test_a_key_twice_is_refused(body: str) -> None:
    """Whatever stands between the two."""
    assert refusal(quick_check, body.encode()) == "duplicate_key"


def test_a_batch_read_at_one_go_says_what_its_events_say_one_by_one() -> None:
    """One bad neighbour sends the batch to be read event by event, and the good ones come out the same."""
    good = b'{"id":"e%d","type":"product_viewed","customer_id":"c","occurred_at":"2026-11-22T10:00:00Z","sku":"s"}'
    items = [good % i for i in range(3)]
    whole = decode_all(b'{"events":[%s]}' % b",".join(items))
    twice = good.replace(b'"sku"', b'"sku":"t","sku"') % 3
    mixed = decode_all(b'{"events":[%s,%s,{"type":"nothing"}]}' % (b",".join(items), twice))
    assert whole == mixed[:3]
    assert [getattr(one.said, "code", None) for one in mixed] == [None, None, None, "duplicate_key", "unknown_type"]
