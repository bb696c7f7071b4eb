"""GET /v1/events: what landed and how it stands, before the ledger was ever built and after its ticks."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest
from door_caller import METERS, Caller, event, running_door

from tally.api_keys import create_key
from tally.database import connect
from tally.ledger import Ledger
from tally.settings import Settings

LAND = (
    "insert into raw.usage_events "
    "(tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, properties, landed_at) "
    "values (%s, %s, %s, %s, %s, %s, %s, %s)"
)
JANUARY = datetime(2026, 1, 15, 12, tzinfo=UTC)


def land(connection: psycopg.Connection, key: str, **fields: Any) -> None:
    """Land one delivery as the door would have in January 2026."""
    row = {"tenant_id": "acme", "customer_ref": "c-1", "metric": "api_calls", "quantity": 1, "event_time": JANUARY}
    given = {**row, "properties": None, "landed_at": JANUARY, **fields}
    connection.execute(
        LAND,
        (
            given["tenant_id"], key, given["customer_ref"], given["metric"], given["quantity"], given["event_time"],
            given["properties"], given["landed_at"],
        ),
    )  # fmt: skip


@pytest.fixture
def reader(call: Callable[..., Caller], connection: psycopg.Connection, tenant: str) -> Caller:
    """A caller that may read, of a door in front of a database without a ledger."""
    door = call()
    door.http.headers["authorization"] = f"Bearer {create_key(connection, tenant, 'reader', ['events:read'])}"
    return door


@pytest.fixture
def built(built_database_url: str, tmp_path: Path) -> Iterator[tuple[Caller, Ledger]]:
    """The same in front of a database with a ledger, and the ledger."""
    with connect(built_database_url, autocommit=True) as connection, ExitStack() as stack:
        connection.execute("insert into tally.tenants (tenant_id, name) values ('acme', 'Acme'), ('other', 'Other')")
        for metric, aggregation in METERS.items():
            connection.execute("insert into tally.meters values ('acme', %s, %s)", (metric, aggregation))
        settings = {"DATABASE_URL": built_database_url, "TALLY_HOME": tmp_path, "TALLY_DOOR_PORT": 0}
        url = stack.enter_context(running_door(Settings.model_validate(settings)))
        key = create_key(connection, "acme", "all", ["events:read", "events:write"])
        client = httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=30)
        yield Caller(stack.enter_context(client), connection), Ledger(built_database_url, tmp_path)


def keys_of(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [shown["idempotency_key"] for shown in answer.json()["events"]]


def standings(answer: httpx.Response) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for shown in answer.json()["events"]:
        found.setdefault(shown["idempotency_key"], []).append(shown["standing"])
    return found


def test_a_delivery_is_shown_as_it_landed_before_any_ledger(reader: Caller) -> None:
    land(reader.connection, "k", quantity="0.100000000001", properties='{"a":[1.50,"ü"]}')
    assert reader.http.get("/v1/events").json() == {
        "events": [
            {
                "idempotency_key": "k",
                "customer_ref": "c-1",
                "metric": "api_calls",
                "quantity": "0.100000000001",
                "event_time": "2026-01-15T12:00:00Z",
                "properties": {"a": [1.5, "ü"]},
                "landed_at": "2026-01-15T12:00:00Z",
                "standing": "not_yet_counted",
                "period": None,
            }
        ],
        "next_cursor": None,
        "archived_before": None,
    }


def test_each_delivery_stands_as_the_ledger_has_it(built: tuple[Caller, Ledger]) -> None:
    door, ledger = built
    land(door.connection, "counted")
    land(door.connection, "repeated")
    land(door.connection, "repeated")
    land(door.connection, "contradicted")
    land(door.connection, "contradicted", quantity=2)
    land(door.connection, "late", landed_at=datetime(2026, 2, 3, tzinfo=UTC))
    before = door.http.get("/v1/events")
    assert {shown["standing"] for shown in before.json()["events"]} == {"not_yet_counted"}
    ledger.tick()
    door.post(event(idempotency_key="new"))
    assert standings(door.http.get("/v1/events")) == {
        "counted": ["counted"],
        "repeated": ["duplicate", "counted"],
        "contradicted": ["conflict", "counted"],
        "late": ["late"],
        "new": ["not_yet_counted"],
    }
    (shown,) = door.http.get("/v1/events/counted").json()["events"]
    assert shown["period"] == {"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"}
    ledger.tick()
    assert standings(door.http.get("/v1/events/new")) == {"new": ["counted"]}
    door.post(event(idempotency_key="new"))
    assert standings(door.http.get("/v1/events/new")) == {"new": ["not_yet_counted", "counted"]}
    ledger.tick()
    assert standings(door.http.get("/v1/events/new")) == {"new": ["conflict", "counted"]}


def test_filters_add_up(reader: Caller) -> None:
    later = JANUARY + timedelta(days=1)
    land(reader.connection, "a-1")
    land(reader.connection, "a-2", customer_ref="c 2", event_time=later)
    land(reader.connection, "b-1", metric="departures")
    land(reader.connection, "b-2", event_time=later)
    found = [
        ({}, ["b-2", "b-1", "a-2", "a-1"]),
        ({"customer_ref": "c 2"}, ["a-2"]),
        ({"metric": "departures"}, ["b-1"]),
        ({"from": later.isoformat()}, ["b-2", "a-2"]),
        ({"to": later.isoformat()}, ["b-1", "a-1"]),
        ({"from": JANUARY.isoformat(), "to": later.isoformat()}, ["b-1", "a-1"]),
        ({"key_prefix": "a-"}, ["a-2", "a-1"]),
        ({"key_prefix": "a%"}, []),
        ({"idempotency_key": "b-1"}, ["b-1"]),
        ({"key_prefix": "b", "from": later.isoformat()}, ["b-2"]),
        ({"tenant_id": "acme"}, ["b-2", "b-1", "a-2", "a-1"]),
    ]
    for query, keys in found:
        assert keys_of(reader.http.get("/v1/events", params=query)) == keys, query


def test_pages_have_every_delivery_once(reader: Caller) -> None:
    for number in range(7):
        land(reader.connection, f"k{number}", landed_at=JANUARY + timedelta(days=number % 3))
    with reader.connection.transaction():
        for number in range(7, 12):
            land(reader.connection, f"k{number}")
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": "5"} if cursor is None else {"limit": "5", "cursor": cursor}
        answer = reader.http.get("/v1/events", params=query)
        seen += keys_of(answer)
        # What lands between two pages belongs to neither.
        land(reader.connection, "between")
        if (cursor := answer.json()["next_cursor"]) is None:
            break
    assert seen == [f"k{number}" for number in reversed(range(12))]


def test_any_key_can_be_asked_for(reader: Caller) -> None:
    for key in ("plain", "https://app.example/checkout 1", "a//b/../c", "ü?#%2F", "..."):
        land(reader.connection, key)
        assert keys_of(reader.http.get(f"/v1/events/{quote(key, safe='')}")) == [key]
    assert reader.http.get("/v1/events/never").status_code == 404


def test_limits_hold_below_at_and_above(reader: Caller) -> None:
    land(reader.connection, "k")
    for limit, status in (("0", 400), ("1", 200), ("1000", 200), ("1001", 400), ("x", 400), ("", 400), ("٣", 400)):
        assert reader.http.get("/v1/events", params={"limit": limit}).status_code == status, limit
    for length, status in ((0, 400), (1, 200), (255, 200), (256, 400)):
        assert reader.http.get("/v1/events", params={"customer_ref": "x" * length}).status_code == status, length


BAD_QUERIES = [
    "custmer_ref=c-1",
    "metric=a&metric=b",
    "from=yesterday",
    "from=2026-01-01",
    "from=2026-01-01T00:00:00+00:00",
    "from=2026-01-02T00:00:00Z&to=2026-01-02T00:00:00Z",
    "idempotency_key=a&key_prefix=b",
    "cursor=x",
    "cursor=MS4xLjE%3D%3D%3D",
    "cursor=MS45OTk5OTk5OTk5OTk5OTk5OTk5OS4x",
    "metric=%00",
    "metric=%ff",
]


def test_a_query_that_cannot_be_meant_is_refused(reader: Caller) -> None:
    for query in BAD_QUERIES:
        answer = reader.http.get(f"/v1/events?{query}")
        assert answer.status_code == 400, query
        assert answer.json()["type"].endswith(":bad-parameter")
    assert "%2B" in reader.http.get("/v1/events?from=2026-01-01T00:00:00+00:00").json()["detail"]


def test_a_tenant_sees_its_own_events_alone(reader: Caller) -> None:
    land(reader.connection, "mine")
    land(reader.connection, "theirs", tenant_id="other")
    assert keys_of(reader.http.get("/v1/events")) == ["mine"]
    assert reader.http.get("/v1/events/theirs").status_code == 404
    for path in ("/v1/events", "/v1/events/mine", "/v1/events/theirs"):
        assert reader.http.get(path, params={"tenant_id": "other"}).status_code == 403
    counted = re.findall(r'foreign_tenant_requests_total\{route="([^"]+)"\} (\d)', reader.http.get("/metrics").text)
    assert sorted(counted) == [("/v1/events", "1"), ("/v1/events/{key}", "2")]


def test_reading_needs_its_scope(door: Caller) -> None:
    for path in ("/v1/events", "/v1/events/k"):
        answer = door.http.get(path)
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:tallyledger:problem:scope-missing")


def test_days_that_were_archived_are_told_of(reader: Caller) -> None:
    reader.connection.execute(
        "insert into tally.detached_days (day, relation, bytes, detached_at) values"
        " ('2025-03-10', 'archive.a', 1, now()), ('2025-03-11', 'archive.b', 1, now())"
    )
    assert reader.http.get("/v1/events").json()["archived_before"] == "2025-03-12T00:00:00Z"
