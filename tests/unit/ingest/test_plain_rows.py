"""Judging many at once gives what judging one by one gives, or declines."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.acceptance import Acceptance, ForeignTenant
from ingest.batch import Batch, Undecodable
from ingest.event import Event, decode_event
from ingest.judgement import AT_ONCE, judge
from ingest.plain_rows import plain_rows
from ingest.refusal import Refusal
from tally.settings import Settings

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
RULES = Acceptance.at(NOW, "acme", {"api_calls": "sum", "departures": "count"}, Settings())
EVENT = {
    "idempotency_key": "k-1",
    "customer_ref": "c-1",
    "metric": "api_calls",
    "quantity": 1,
    "event_time": "2026-11-21T11:00:00Z",
}


def event(**fields: Any) -> Event:
    made = {name: value for name, value in {**EVENT, **fields}.items() if value is not None}
    return decode_event(json.dumps(made).encode())


def one_by_one(events: list[Event]) -> list[str] | None:
    try:
        return [RULES.row(each) for each in events]
    except (Refusal, ForeignTenant):
        return None


def values(row: str) -> tuple[Any, ...]:
    tenant, key, customer, metric, quantity, time, properties = row.removesuffix("\n").split("\t")
    return tenant, key, customer, metric, Decimal(quantity), time, properties


PLAIN: list[dict[str, Any]] = [
    {},
    {"quantity": "12.50"},
    {"quantity": -0.5},
    {"quantity": 123456789012345},
    {"quantity": None, "metric": "departures"},
    {"event_time": "2026-11-21T11:59:59.123456Z"},
    {"event_time": "2026-11-21T11:59:59.1Z"},
    {"properties": {}},
    {"properties": {"a": [1, {"b": "c d"}], "e": 1e-7}},
    {"properties": {"text": "x" * 900}},
    {"idempotency_key": "x" * 255},
]
ODD: list[dict[str, Any]] = [
    {"idempotency_key": ""},
    {"idempotency_key": "x" * 256},
    {"idempotency_key": "a b"},
    {"customer_ref": "ü"},
    {"customer_ref": "a\tb"},
    {"customer_ref": "a\\b"},
    {"metric": "unknown"},
    {"quantity": None},
    {"quantity": "1e3"},
    {"quantity": "1\n2"},
    {"quantity": True},
    {"quantity": 1234567890123456},
    {"quantity": "01"},
    {"event_time": "2026-11-31T11:00:00Z"},
    {"event_time": "2026-11-21T24:00:00Z"},
    {"event_time": "2026-11-21T11:00:00+00:00"},
    {"event_time": "2026-11-21T11:00:00"},
    {"event_time": "2026-10-17T11:59:59.999999Z"},
    {"event_time": "2026-11-21T12:05:00.000001Z"},
    {"properties": "x"},
    {"properties": {"a": "ü"}},
    {"properties": {"a": "\x00"}},
    {"properties": {"a": "x" * 4096}},
    {"properties": {"a": {"b": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}}},
    {"tenant_id": "other"},
    {"tenant_id": ""},
]


@pytest.mark.parametrize("fields", PLAIN)
def test_what_most_apps_send_is_judged_at_once(fields: dict[str, Any]) -> None:
    events = [event(idempotency_key="before"), event(**fields), event(idempotency_key="after", properties={"a": 1})]
    rows = plain_rows(events, RULES)
    each = one_by_one(events)
    assert rows is not None
    assert each is not None
    assert list(map(values, rows)) == list(map(values, each))


@pytest.mark.parametrize("fields", ODD)
def test_an_odd_event_is_left_to_be_judged_alone(fields: dict[str, Any]) -> None:
    assert plain_rows([event(), event(**fields), event()], RULES) is None


def test_a_huge_number_is_left_to_be_judged_alone() -> None:
    for number in (b"1e999", b"1E+100", b"2e-200", b"9" * 1000):
        raw = json.dumps(EVENT).encode()[:-1] + b', "properties": {"a": ' + number + b"}}"
        assert plain_rows([event(), decode_event(raw)], RULES) is None
    assert plain_rows([event(), Undecodable(None, Refusal(None, "wrong_type", "x"))], RULES) is None


@given(st.lists(st.sampled_from([*PLAIN, *PLAIN, *ODD]), min_size=1, max_size=20))
def test_it_never_takes_what_judging_alone_refuses(fields: list[dict[str, Any]]) -> None:
    events = [event(**each) for each in fields]
    rows = plain_rows(events, RULES)
    if rows is not None:
        each = one_by_one(events)
        assert each is not None
        assert list(map(values, rows)) == list(map(values, each))


@given(
    st.text(alphabet=st.characters(max_codepoint=300), max_size=8),
    st.text(alphabet='0123456789.-+eE"\n ', max_size=8),
    st.text(alphabet="0123456789TZ:-. ", max_size=27),
)
def test_no_text_slips_through(word: str, quantity: str, time: str) -> None:
    events = [event(idempotency_key=word), event(quantity=quantity), event(event_time=time)]
    for each in events:
        rows = plain_rows([event(), each], RULES)
        alone = one_by_one([event(), each])
        assert rows is None or (alone is not None and list(map(values, rows)) == list(map(values, alone)))


def test_odd_events_among_many_are_answered_in_their_places() -> None:
    odd = {3: {"quantity": "NaN"}, AT_ONCE + 1: {"customer_ref": "ü"}, 2 * AT_ONCE: {"metric": "unknown"}}
    late = (NOW - timedelta(days=1)).isoformat()
    count = 2 * AT_ONCE + 5
    events = [event(idempotency_key=f"k-{n}", event_time=late, **odd.get(n, {})) for n in range(count)]
    judgement = judge(Batch(events), RULES, "r")
    said = {result.index: result.status for result in judgement.answer.results}
    assert said == {n: "rejected" if n in (3, 2 * AT_ONCE) else "accepted" for n in range(count)}
    assert [result.idempotency_key for result in judgement.answer.results] == [f"k-{n}" for n in range(count)]
    assert [row.split("\t")[1] for row in judgement.rows] == [
        f"k-{n}" for n in range(count) if n not in (3, 2 * AT_ONCE)
    ]
    assert judgement.refusals == {"bad_quantity": 1, "unknown_metric": 1}
