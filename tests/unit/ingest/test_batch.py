"""Bodies: what is sound is decoded, what is not is said, and nothing else happens."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.batch import Undecodable, decode_batch
from ingest.event import Event
from ingest.problem import Problem

EVENT = {
    "idempotency_key": "k",
    "customer_ref": "c",
    "metric": "m",
    "quantity": 1,
    "event_time": "2026-11-21T11:00:00Z",
}
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["events", "quantity", "metric", "x"]), inner),
)


def without(field: str) -> dict[str, Any]:
    return {name: value for name, value in EVENT.items() if name != field}


@pytest.mark.parametrize(
    ("event", "field", "reason"),
    [
        (without("idempotency_key"), "idempotency_key", "is missing"),
        (without("customer_ref"), "customer_ref", "is missing"),
        (without("metric"), "metric", "is missing"),
        (without("event_time"), "event_time", "is missing"),
        ({**EVENT, "idempotency_key": 7}, "idempotency_key", "is a number; a string is needed"),
        ({**EVENT, "customer_ref": None}, "customer_ref", "is null; a string is needed"),
        ({**EVENT, "metric": ["m"]}, "metric", "is an array; a string is needed"),
        ({**EVENT, "event_time": 1357016400}, "event_time", "is a number; a string is needed"),
        ({**EVENT, "tenant_id": True}, "tenant_id", "is a boolean; a string is needed"),
        ({**EVENT, "timestamp": "x"}, "timestamp", "is not a field of an event; the fields are idempotency_key"),
        ({"idempotency_key": "k", "amount": 1}, "amount", "is not a field"),
        (7, None, "this is a number"),
        ([EVENT], None, "this is an array"),
        (None, None, "this is null"),
    ],
)
def test_a_misshapen_event_is_named_and_its_neighbour_is_not_touched(
    event: Any, field: str | None, reason: str
) -> None:
    wrong, right = decode_batch(json.dumps({"events": [event, EVENT]}).encode(), 10).events
    assert isinstance(right, Event)
    assert isinstance(wrong, Undecodable)
    assert wrong.refusal.field == field
    assert reason in wrong.refusal.reason


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"", 400, "line 1, column 1"),
        (b"{", 400, "line 1, column 2"),
        (b'{"events": [\n{]}', 400, "line 2, column 2"),
        (b'{"events": [{}]} x', 400, "Extra data"),
        (b"\xef\xbb\xbf{}", 400, "BOM"),
        (b'{"a": "\xff"}', 400, "not UTF-8: byte 7"),
        (b"[1, 2]", 400, "the body is an array"),
        (b'"text"', 400, "the body is a string"),
        (b'{"events": []}', 400, "events is empty; 1 to 2 are taken"),
        (b'{"events": {}}', 400, "events is an object; an array is needed"),
        (b'{"events": [{}], "tenant_id": 7}', 400, "tenant_id is a number"),
        (b'{"events": [{}], "batch": 1}', 400, "batch is not taken beside events"),
        (b'{"events": [1, 2, 3]}', 413, "3 events in one request; at most 2"),
        (json.dumps({"events": [EVENT] * 3}).encode(), 413, "3 events in one request; at most 2"),
        (b'{"events": [{}, {"quantity": NaN}]}', 400, "event 1, quantity is NaN"),
        (b'{"properties": {"x": -Infinity}}', 400, "event 0, properties is NaN or Infinity"),
        (rb'{"events": [{"customer_ref": "\ud800"}]}', 400, "event 0, customer_ref holds half of a surrogate pair"),
        (rb'{"\udc00": 1}', 400, "half of a surrogate pair in its name"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "nested too deeply"),
        (b"[" * 100_000, 400, "the body is an array"),
        (b'{"events":[' + b"[" * 900 + rb'"\ud800"' + b"]" * 900 + b"]}", 400, "the body is"),
    ],
)
def test_a_body_that_cannot_be_used_says_where_it_breaks(body: bytes, status: int, detail: str) -> None:
    with pytest.raises(Problem) as caught:
        decode_batch(body, 2)
    assert caught.value.status == status
    assert detail in caught.value.detail


@pytest.mark.parametrize("body", ['{"events":%s}', ' { "events" : %s } ', '{"tenant_id":"t","events":%s}'])
def test_members_may_come_in_any_order_and_spacing(body: str) -> None:
    assert len(decode_batch((body % json.dumps([EVENT, EVENT])).encode(), 2).events) == 2


@given(st.one_of(st.binary(), JSON.map(lambda value: json.dumps(value).encode())))
def test_no_body_does_anything_but_decode_or_be_refused(body: bytes) -> None:
    refused = None
    try:
        batch = decode_batch(body, 5)
    except Problem as problem:
        refused = problem
    if refused is None:
        assert 1 <= len(batch.events) <= 5
    else:
        assert refused.status in {400, 413}
        assert json.loads(refused.body("r"))["status"] == refused.status
