"""Each kind of damage to the ledger turns exactly those integrity tests red that promise to see it."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tally.database import connect
from tally.ledger import Ledger

IN_TIME, LATE = "2013-01-11 00:00+00", "2013-02-03 05:00+00"
# key, customer, quantity, landed_at: two events of UA, one of AA; a duplicate, a conflict and a late event.
DELIVERIES = [
    ("a", "UA", "10", IN_TIME),
    ("b", "UA", "2.5", IN_TIME),
    ("c", "AA", "4", IN_TIME),
    ("b", "UA", "2.50", IN_TIME),
    ("a", "UA", "11", IN_TIME),
    ("d", "UA", "100", LATE),
]

FAULTS = {
    "nothing": ("select 1", []),
    "a lost event": (
        "delete from ledger.int_usage_events_deduplicated where idempotency_key = 'b'",
        [
            "assert_counters_match_the_ledger",
            "assert_deliveries_add_up",
            "assert_delivery_counts_match_the_ledger",
            "assert_the_first_delivery_counts",
        ],
    ),
    "an invented event": (
        "insert into ledger.int_usage_events_deduplicated select (event).* from (select jsonb_populate_record(event,"
        " jsonb_build_object('idempotency_key', 'x')) as event from ledger.int_usage_events_deduplicated as event"
        " where idempotency_key = 'b') as copies",
        [
            "assert_counters_match_the_ledger",
            "assert_delivery_counts_match_the_ledger",
            "assert_the_first_delivery_counts",
        ],
    ),
    "an edited quantity": (
        "update ledger.int_usage_events_deduplicated set quantity = 2.6 where idempotency_key = 'b'",
        ["assert_counters_match_the_ledger"],
    ),
    "an event moved to another customer": (
        "update ledger.int_usage_events_deduplicated set customer_ref = 'AA' where idempotency_key = 'b'",
        ["assert_counters_match_the_ledger", "assert_delivery_counts_match_the_ledger"],
    ),
    "a counter one unit in the twelfth decimal off": (
        "update ledger.int_usage_counters set quantity_sum = quantity_sum + 0.000000000001 where customer_ref = 'UA'",
        ["assert_counters_match_the_ledger", "assert_hours_add_up"],
    ),
    "a lost counter": (
        "delete from ledger.int_usage_counters where customer_ref = 'AA'",
        ["assert_counters_match_the_ledger", "assert_hours_add_up"],
    ),
    "every counter lost": (
        "truncate ledger.int_usage_counters",
        ["assert_counters_match_the_ledger", "assert_hours_add_up"],
    ),
    "a lost landed row": (
        "delete from raw.usage_events where idempotency_key = 'c'",
        ["assert_deliveries_add_up", "assert_the_first_delivery_counts"],
    ),
    "a duplicate forgotten": (
        "update marts.usage_deliveries set duplicates = 0 where customer_ref = 'UA'",
        ["assert_deliveries_add_up"],
    ),
    "a conflict forgotten": ("delete from ledger.int_usage_events_conflicts", ["assert_every_conflict_is_kept"]),
    "a late event forgotten": ("delete from ledger.int_usage_events_late", ["assert_every_late_event_is_kept"]),
    "rows of another cluster": (
        "insert into raw.usage_events (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, xid)"
        " values ('newark', 'z', 'UA', 'minutes', 1, now(), '999999999999')",
        ["assert_landing_transactions_are_of_this_cluster"],
    ),
    "a period with two ends": (
        "update ledger.int_usage_events_deduplicated set period_end = period_end + interval '1 day'"
        " where idempotency_key = 'd'",
        ["assert_a_period_has_one_end"],
    ),
}


@pytest.fixture(scope="module")
def dbt_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ledger_faults")


@pytest.fixture
def database(built_database_url: str) -> Iterator[psycopg.Connection]:
    with connect(built_database_url, autocommit=True) as connection:
        connection.execute(
            "insert into tally.tenants (tenant_id, name, time_zone) values ('newark', 'Newark', 'America/New_York')"
        )
        connection.execute(
            "insert into tally.meters (tenant_id, metric, aggregation) values ('newark', 'minutes', 'sum')"
        )
        for key, customer, quantity, landed_at in DELIVERIES:
            connection.execute(
                "insert into raw.usage_events"
                " (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, landed_at)"
                " values ('newark', %s, %s, 'minutes', %s, '2013-01-10', %s)",
                (key, customer, quantity, landed_at),
            )
        yield connection


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_turns_its_own_tests_red(
    built_database_url: str, database: psycopg.Connection, dbt_folder: Path, fault: str
) -> None:
    ledger = Ledger(built_database_url, dbt_folder)
    ledger.tick()
    statement, findings = FAULTS[fault]
    database.execute(statement)
    results = ledger.test("test_type:singular")
    conflict_warning = [] if fault == "a conflict forgotten" else ["assert_no_conflict_waits"]
    red = sorted(test.name for test in results if test.status != "pass")
    assert red == sorted([*findings, *conflict_warning])
    assert len(results) >= 11
