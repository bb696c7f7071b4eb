"""The row that is landed says what the event said, whichever way it was judged."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.acceptance import Acceptance, ForeignTenant
from ingest.event import decode_event
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


def row(**fields: Any) -> str:
    return RULES.row(decode_event(json.dumps({**EVENT, **fields}).encode()))


def values(line: str) -> list[str]:
    """The values of one COPY line."""
    assert line.endswith("\n")
    escapes = {"\\\\": "\\", "\\t": "\t", "\\n": "\n", "\\r": "\r"}
    written = ["" if value == "\\N" else value for value in line[:-1].split("\t")]
    return [re.sub(r"\\.", lambda found: escapes[found[0]], value) for value in written]


@given(
    key=st.text(max_size=260),
    customer=st.text(max_size=260),
    quantity=st.one_of(st.integers(), st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str)),
    properties=st.dictionaries(st.text(max_size=5), st.one_of(st.text(max_size=9), st.integers()), max_size=3),
    metric=st.sampled_from(["api_calls", "departures"]),
)
def test_a_row_holds_exactly_what_was_sent(
    key: str, customer: str, quantity: int | str, properties: dict[str, Any], metric: str
) -> None:
    fields = {"idempotency_key": key, "customer_ref": customer, "quantity": quantity, "metric": metric}
    try:
        line = row(**fields, properties=properties)
    except Refusal as refusal:
        blamed = refusal.field
    else:
        blamed = None
    if blamed is not None:
        assert blamed in {"idempotency_key", "customer_ref", "quantity", "properties"}
        return
    assert line.count("\n") == 1
    tenant, landed_key, landed_customer, landed_metric, landed_quantity, _, landed_properties = values(line)
    assert (tenant, landed_key, landed_customer, landed_metric) == ("acme", key, customer, metric)
    assert Decimal(landed_quantity) == Decimal(quantity)
    assert json.loads(landed_properties) == properties
    assert all(text.strip() == text != "" and "\x00" not in text for text in (key, customer))


@pytest.mark.parametrize("field", ["idempotency_key", "customer_ref", "metric"])
@pytest.mark.parametrize("text", ["", "x" * 256, " x", "x\n", "\u00a0x", "\ufeffx", "x\u200b", "a\x00b", "\t"])
def test_unusable_text_is_refused(field: str, text: str) -> None:
    with pytest.raises(Refusal) as caught:
        row(**{field: text})
    assert caught.value.field == field
    assert caught.value.code == "bad_text"


@pytest.mark.parametrize("text", ["x" * 255, "ü" * 255, "a b", "a\tb\\N", "\\.", "日本", "a\u200bb"])
def test_usable_text_is_taken(text: str) -> None:
    assert values(row(idempotency_key=text))[1] == text


@pytest.mark.parametrize("path", [{}, {"customer_ref": "ü"}])
@pytest.mark.parametrize(
    ("distance", "code"),
    [
        (timedelta(days=-35), None),
        (timedelta(days=-35, microseconds=-1), "too_old"),
        (timedelta(seconds=300), None),
        (timedelta(seconds=300, microseconds=1), "too_far_ahead"),
    ],
)
def test_event_times_are_bounded_to_the_microsecond(
    path: dict[str, str], distance: timedelta, code: str | None
) -> None:
    text = (NOW + distance).isoformat().replace("+00:00", "Z")
    if code is None:
        assert values(row(event_time=text, **path))[5] == text
    else:
        with pytest.raises(Refusal) as caught:
            row(event_time=text, **path)
        assert (caught.value.field, caught.value.code) == ("event_time", code)


def test_a_day_that_does_not_exist_is_refused_on_the_short_way_too() -> None:
    with pytest.raises(Refusal, match="does not exist"):
        row(event_time="2026-11-31T11:00:00Z")


def test_a_quantity_may_be_left_out_only_where_events_are_counted() -> None:
    event = {name: value for name, value in EVENT.items() if name != "quantity"}
    counted = RULES.row(decode_event(json.dumps({**event, "metric": "departures"}).encode()))
    assert values(counted)[4] == "1"
    with pytest.raises(Refusal) as caught:
        RULES.row(decode_event(json.dumps(event).encode()))
    assert (caught.value.field, caught.value.code) == ("quantity", "missing_field")


def test_an_unknown_metric_is_named_with_those_that_exist() -> None:
    with pytest.raises(Refusal, match="'calls' is not a metric of this tenant; declared are api_calls, departures"):
        row(metric="calls")


def test_the_keys_own_tenant_may_be_named_and_no_other() -> None:
    assert row(tenant_id="acme") == row() == row(tenant_id=None)
    with pytest.raises(ForeignTenant):
        row(tenant_id="other")


@pytest.mark.parametrize(("quantity", "landed"), [("1\u0030", "10"), (1e3, "1000"), ("1.50", "1.50"), (-2.25, "-2.25")])
def test_a_number_and_a_string_that_holds_one_are_the_same(quantity: float | str, landed: str) -> None:
    assert Decimal(values(row(quantity=quantity))[4]) == Decimal(landed)
