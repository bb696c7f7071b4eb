"""GET /v1/usage: hours, days and periods of the key's own tenant, exactly as the ledger has them."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from door_caller import Caller, running_door

from tally.api_keys import create_key
from tally.database import connect
from tally.ledger import Ledger
from tally.settings import Settings

LAND = (
    "insert into raw.usage_events (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, properties,"
    " landed_at) values (%s, %s, %s, %s, %s, %s, %s, %s)"
)
# The clocks go forward in New York at 07:00Z on 10 March 2024: a day of 23 hours.
NOON = datetime(2024, 3, 10, 16, tzinfo=UTC)


@pytest.fixture
def reader(built_database_url: str, tmp_path: Path) -> Iterator[tuple[Caller, Ledger]]:
    """A caller with a key that may read usage, of a door in front of a ledger of two tenants."""
    with connect(built_database_url, autocommit=True) as connection, ExitStack() as stack:
        connection.execute(
            "insert into tally.tenants (tenant_id, name, time_zone)"
            " values ('acme', 'Acme', 'America/New_York'), ('other', 'Other', 'UTC')"
        )
        connection.execute(
            "insert into tally.meters (tenant_id, metric, aggregation, property, divide_by, unit, dimensions) values"
            " ('acme', 'traffic', 'sum', null, 1000, 'kB', '{region,model}'),"
            " ('acme', 'peak', 'last', null, 1, 'calls', '{region}'),"
            " ('acme', 'users', 'unique', 'user', 1, 'user', '{}'),"
            " ('other', 'traffic', 'sum', null, 1, 'kB', '{}')"
        )
        settings = {"DATABASE_URL": built_database_url, "TALLY_HOME": tmp_path, "TALLY_DOOR_PORT": 0}
        url = stack.enter_context(running_door(Settings.model_validate(settings)))
        key = create_key(connection, "acme", "reader", ["usage:read"])
        client = httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=30)
        yield Caller(stack.enter_context(client), connection), Ledger(built_database_url, tmp_path)


def land(connection: psycopg.Connection[Any], metric: str, quantity: str, at: datetime, **given: str) -> None:
    """Land one event at `at`."""
    number = connection.execute("select nextval('raw.usage_events_seq')").fetchone()
    properties = f'{{"region": "{given.get("region", "eu")}", "model": "m", "user": "{given.get("user", "ann")}"}}'
    row = (
        given.get("tenant", "acme"),
        f"k-{number}",
        given.get("customer", "c-1"),
        metric,
        quantity,
        at,
        properties,
        at,
    )
    connection.execute(LAND, row)


def fill(connection: psycopg.Connection[Any]) -> None:
    for hours, quantity, region in ((-1, "1500", "eu"), (0, "0.5", "us"), (0, "2", "eu"), (12, "7", "eu")):
        land(connection, "traffic", quantity, NOON + timedelta(hours=hours), region=region)
    land(connection, "peak", "9", NOON, region="us")
    land(connection, "peak", "4", NOON - timedelta(minutes=1), region="eu")
    land(connection, "users", "1", NOON, user="ann", customer="c-2")
    land(connection, "users", "1", NOON, user="bob", customer="c-2")
    land(connection, "traffic", "100", NOON, tenant="other")


def lines(caller: Caller, **query: str) -> list[dict[str, Any]]:
    answer = caller.http.get("/v1/usage", params={name.rstrip("_"): value for name, value in query.items()})
    assert answer.status_code == 200, answer.text
    assert answer.json()["next_cursor"] is None
    found: list[dict[str, Any]] = answer.json()["usage"]
    return found


def test_a_line_says_everything_in_exact_numbers(reader: tuple[Caller, Ledger]) -> None:
    caller, ledger = reader
    fill(caller.connection)
    ledger.tick()
    assert lines(caller, metric="traffic", to="2024-03-11T04:00:00Z") == [
        {
            "customer_ref": "c-1",
            "metric": "traffic",
            "start": "2024-03-10T05:00:00Z",
            "end": "2024-03-11T04:00:00Z",
            "dimensions": {},
            "event_count": 3,
            "value": "1.5025",
            "unit": "kB",
            "aggregation": "sum",
            "quantity_sum": "1502.5",
            "quantity_min": "0.5",
            "quantity_max": "1500",
            "last_quantity": "2",
        }
    ]


def test_windows_and_dimensions_break_the_same_usage_down(reader: tuple[Caller, Ledger]) -> None:
    caller, ledger = reader
    fill(caller.connection)
    ledger.tick()
    hours = lines(caller, metric="traffic", window="hour", group_by="region")
    assert [(line["start"], line["dimensions"], line["quantity_sum"]) for line in hours] == [
        ("2024-03-10T15:00:00Z", {"region": "eu"}, "1500"),
        ("2024-03-10T16:00:00Z", {"region": "eu"}, "2"),
        ("2024-03-10T16:00:00Z", {"region": "us"}, "0.5"),
        ("2024-03-11T04:00:00Z", {"region": "eu"}, "7"),
    ]
    for window in ("hour", "day", "period"):
        for group_by in ({}, {"group_by": "region"}, {"group_by": "model,region"}):
            found = lines(caller, metric="traffic", window=window, **group_by)
            assert sum(Decimal(line["quantity_sum"]) for line in found) == Decimal("1509.5")
    # What is last is last over all regions together.
    assert [line["value"] for line in lines(caller, metric="peak")] == ["9"]
    assert [line["value"] for line in lines(caller, metric="peak", group_by="region")] == ["4", "9"]


def test_days_by_all_dimensions_are_usage_daily(reader: tuple[Caller, Ledger]) -> None:
    caller, ledger = reader
    fill(caller.connection)
    ledger.tick()
    rows = caller.connection.execute(
        "select (day::timestamp at time zone 'America/New_York'), dimensions, event_count, value, quantity_sum"
        " from marts.usage_daily where tenant_id = 'acme' and metric = 'traffic' order by day, dimensions::text"
    ).fetchall()
    found = lines(caller, metric="traffic", group_by="region,model")
    assert [
        (datetime.fromisoformat(line["start"]), line["dimensions"], line["event_count"], Decimal(line["value"]),
         Decimal(line["quantity_sum"]))
        for line in found
    ] == rows  # fmt: skip


def test_a_period_is_the_billed_counter_and_what_does_not_add_up_is_null(reader: tuple[Caller, Ledger]) -> None:
    caller, ledger = reader
    fill(caller.connection)
    ledger.tick()
    assert [line["value"] for line in lines(caller, customer_ref="c-2")] == [None]
    [period] = lines(caller, customer_ref="c-2", window="period")
    assert (period["value"], period["start"], period["end"]) == ("2", "2024-03-01T05:00:00Z", "2024-04-01T04:00:00Z")
    caller.connection.execute(
        "insert into tally.adjustments (tenant_id, customer_ref, metric, period_start, period_end, amount, reason,"
        " state, created_at, created_by, decided_at, decided_by, booked_start, booked_end) values ('acme', 'c-2',"
        " 'users', %s, %s, -0.5, 'goodwill', 'approved', now(), 'ada', now(), 'bob', %s, %s)",
        (period["start"], period["end"]) * 2,
    )
    [adjusted] = lines(caller, customer_ref="c-2", window="period", metric="users")
    assert adjusted["value"] == "1.5"


@pytest.mark.parametrize("window", [{"window": "hour", "group_by": "region"}, {"window": "period"}, {}])
def test_pages_are_the_whole_without_gap_or_repeat(reader: tuple[Caller, Ledger], window: dict[str, str]) -> None:
    caller, ledger = reader
    for number in range(12):
        at = NOON + timedelta(hours=number % 5)
        land(caller.connection, "traffic", "1", at, customer=f"Ä{number % 7}", region=["eu", "us"][number % 2])
    fill(caller.connection)
    ledger.tick()
    whole = lines(caller, **window)
    paged: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = caller.http.get("/v1/usage", params={"limit": "2", **window, **cursor}).json()
        paged += page["usage"]
        if page["next_cursor"] is None:
            break
        assert len(page["usage"]) == 2
        cursor = {"cursor": page["next_cursor"]}
    assert paged == whole
    assert len(whole) >= 9


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("window=month", "window is not hour, day or period"),
        ("group_by=region,,model", "group_by is not 1 to 5 different dimensions"),
        ("group_by=planet", "'planet', which is no dimension of any metric; these are: model, region"),
        ("group_by=model&metric=peak", "'model', which is no dimension of metric peak; these are: region"),
        ("from=2024-03-11T00:00:00Z&to=2024-03-11T00:00:00Z", "from is not before to"),
        ("from=2024-03-11", "from is not an RFC 3339 time"),
        ("limit=0", "limit is not a whole number"),
        ("cursor=AAAA", "cursor is not one that a page of this window gave out"),
        ("customer=c-1", "customer is not a parameter here"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(reader: tuple[Caller, Ledger], query: str, says: str) -> None:
    answer = reader[0].http.get(f"/v1/usage?{query}")
    assert answer.status_code == 400, answer.text
    assert says in answer.json()["detail"]


def test_a_cursor_of_another_window_is_refused(reader: tuple[Caller, Ledger]) -> None:
    caller, ledger = reader
    fill(caller.connection)
    ledger.tick()
    cursor = caller.http.get("/v1/usage?limit=1").json()["next_cursor"]
    assert caller.http.get("/v1/usage", params={"cursor": cursor, "window": "hour"}).status_code == 400


def test_before_any_ledger_there_is_no_usage(door: Caller) -> None:
    key = create_key(door.connection, "acme", "reader", ["usage:read"])
    answer = door.http.get("/v1/usage", headers={"authorization": f"Bearer {key}"})
    assert answer.json() == {"usage": [], "next_cursor": None, "hours_deleted_up_to": None}


def test_hours_that_were_deleted_are_told_of(reader: tuple[Caller, Ledger]) -> None:
    caller, ledger = reader
    fill(caller.connection)
    ledger.tick()
    for tenant, up_to in (("acme", NOON), ("other", NOON + timedelta(days=9))):
        caller.connection.execute("insert into tally.deleted_hours values (%s, %s, now())", (tenant, up_to))
    told = datetime.fromisoformat(caller.http.get("/v1/usage?limit=1").json()["hours_deleted_up_to"])
    assert told == NOON
