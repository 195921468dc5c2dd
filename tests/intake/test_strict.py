"""A glance at a body refuses what a full reading refuses."""

import json
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import example, given, reject
from hypothesis import strategies as st

from offerlab.api.decision_requests import BulkCustomer, DecisionRequest
from offerlab.errors import InvalidInput
from offerlab.intake.canonical import decode_all
from offerlab.intake.strict import check, check_read, quick_check

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


ITEMS = st.lists(
    st.tuples(
        st.sampled_from(["sku", "quantity", "price"]), GAP, GAP, st.sampled_from(['"a"', "1", '":"', '"2"', "3.5"])
    ),
    max_size=4,
).map(_object)
CONTEXTS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["placement", "locale"]), GAP, GAP, st.sampled_from(['"a"', '": b"', "null"])),
        st.tuples(
            st.just("cart"), GAP, GAP, st.lists(ITEMS, max_size=2).map(lambda items: "[" + ",".join(items) + "]")
        ),
    ),
    max_size=3,
).map(_object)
QUESTIONS = st.lists(
    st.one_of(
        st.tuples(
            st.just("attributes"), GAP, GAP, st.lists(st.tuples(WORDS, GAP, GAP, BODIES), max_size=3).map(_object)
        ),
        st.tuples(st.just("context"), GAP, GAP, CONTEXTS),
        st.tuples(st.just("expose"), GAP, GAP, st.sampled_from(["true", "false"])),
        st.tuples(st.just("customer_id"), GAP, GAP, st.sampled_from(['"a"', "7", "null", '":a"', '"\\u0000"'])),
    ),
    max_size=4,
).map(_object)
QUESTION = msgspec.json.Decoder(DecisionRequest)


@given(QUESTIONS)
@example('{"expose":true,"expose" :true}')
@example('{"customer_id":"a","context":{"cart":[{"sku":"a","price":1,"price":"2"}]}}')
@example('{"attributes":{"a":": b","a":1}}')
@example('{"attributes":{"a":":","a":1}}')
@example('{"customer_id":1234567890123456789012}')
def test_what_a_type_kept_of_a_body_tells_whether_a_key_stood_there_twice(text: str) -> None:
    """For any question that can be read: the same code as a full reading, or none from both."""
    body = text.encode()
    try:
        value = QUESTION.decode(body)
    except msgspec.MsgspecError:
        reject()
    assert refusal(lambda raw: check_read(raw, value), body) == refusal(check, body)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (BulkCustomer, b"{}"),
        (DecisionRequest, b"{}"),
        (DecisionRequest, b'{"context":{}}'),
        (DecisionRequest, b'{"context":{"trigger":{},"cart":[{"sku":"a"}]}}'),
    ],
)
def test_a_question_written_again_has_no_key_that_was_not_sent(kind: type[msgspec.Struct], body: bytes) -> None:
    """Or one lost by standing twice would be made up for."""
    written = msgspec.json.encode(msgspec.json.decode(body, type=kind))
    assert written.count(b":") <= body.count(b":")


def test_a_batch_read_at_one_go_says_what_its_events_say_one_by_one() -> None:
    """One bad neighbour sends the batch to be read event by event, and the good ones come out the same."""
    good = b'{"id":"e%d","type":"product_viewed","customer_id":"c","occurred_at":"2026-11-22T10:00:00Z","sku":"s"}'
    items = [good % i for i in range(3)]
    whole = decode_all(b'{"events":[%s]}' % b",".join(items))
    twice = good.replace(b'"sku"', b'"sku":"t","sku"') % 3
    mixed = decode_all(b'{"events":[%s,%s,{"type":"nothing"}]}' % (b",".join(items), twice))
    assert whole == mixed[:3]
    assert [getattr(one.said, "code", None) for one in mixed] == [None, None, None, "duplicate_key", "unknown_type"]
