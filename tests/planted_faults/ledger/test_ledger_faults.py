"""Each kind of damage to the ledger turns exactly those integrity tests red that promise to see it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from built_ledger import built_ledger
from cloned_database import Clone

from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres
from tally.ledger import Ledger

IN_TIME, LATE = "2013-01-11 00:00+00", "2013-02-03 05:00+00"
# key, customer, metric, quantity, properties, landed_at: two events of UA, one of AA; a duplicate, a conflict
# and a late event; one user of DL who came twice, and a gauge that was read and then returned to 0.
DELIVERIES = [
    ("a", "UA", "minutes", "10", None, IN_TIME),
    ("b", "UA", "minutes", "2.5", None, IN_TIME),
    ("c", "AA", "minutes", "4", None, IN_TIME),
    ("b", "UA", "minutes", "2.50", None, IN_TIME),
    ("a", "UA", "minutes", "11", None, IN_TIME),
    ("d", "UA", "minutes", "100", None, LATE),
    ("e", "DL", "seats", "1", '{"user": "ann"}', IN_TIME),
    ("f", "DL", "seats", "1", '{"user": "ann"}', IN_TIME),
    ("g", "DL", "gigabytes", "5", None, IN_TIME),
    ("h", "DL", "gigabytes", "0", None, IN_TIME),
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
        [
            "assert_counters_match_the_ledger",
            "assert_delivery_counts_match_the_ledger",
            "assert_the_first_delivery_counts",
        ],
    ),
    "an event moved to another hour": (
        "update ledger.int_usage_events_deduplicated set event_time = event_time - interval '1 hour'"
        " where idempotency_key = 'c'",
        ["assert_counters_match_the_ledger", "assert_the_first_delivery_counts"],
    ),
    "an edited outcome": (
        "update ledger.int_usage_events_deduplicated set outcome = 'filtered' where idempotency_key = 'b'",
        ["assert_counters_match_the_ledger", "assert_delivery_counts_match_the_ledger"],
    ),
    "an edited outcome of a seat": (
        "update ledger.int_usage_events_deduplicated set outcome = 'reversed' where idempotency_key = 'f'",
        [
            "assert_counters_match_the_ledger",
            "assert_delivery_counts_match_the_ledger",
            "assert_value_counts_match_the_ledger",
        ],
    ),
    "a late event taken for one in time": (
        "update ledger.int_usage_events_deduplicated set closes_at = closes_at + interval '1 day'"
        " where idempotency_key = 'd'",
        ["assert_every_late_event_is_kept"],
    ),
    "a seat counted once too often": (
        "update ledger.int_usage_value_counts set events = events + 1",
        ["assert_value_counts_match_the_ledger"],
    ),
    "a seat lost": ("truncate ledger.int_usage_value_counts", ["assert_value_counts_match_the_ledger"]),
    "a seat billed twice": (
        "update ledger.int_usage_counters set member_count = 2 where metric = 'seats'",
        ["assert_counters_match_the_ledger"],
    ),
    "a gauge reading lost": (
        "delete from ledger.int_usage_gauge_readings where quantity = 5",
        ["assert_gauge_readings_match_the_ledger"],
    ),
    "a gauge reading edited": (
        "update ledger.int_usage_gauge_readings set quantity = 5.000000000001 where quantity = 5",
        ["assert_gauge_readings_match_the_ledger"],
    ),
    "a gauge held a microsecond too long": (
        "update ledger.int_usage_counters set held_unit_microseconds = held_unit_microseconds + 5"
        " where metric = 'gigabytes'",
        ["assert_counters_match_the_ledger"],
    ),
    "an hour lost": ("delete from marts.usage_hourly where customer_ref = 'AA'", ["assert_hours_add_up"]),
    "an hour one unit in the twelfth decimal off": (
        "update marts.usage_hourly set quantity_sum = quantity_sum - 0.000000000001 where customer_ref = 'UA'",
        ["assert_hours_add_up"],
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
    "a usage that nothing measures": (
        "update ledger.int_usage_events_deduplicated set outcome = 'unmeasurable' where idempotency_key = 'd'",
        [
            "assert_delivery_counts_match_the_ledger",
            "assert_every_event_is_measurable",
            "assert_every_late_event_is_kept",
        ],
    ),
    "a booked adjustment that no counter has": (
        "alter table tally.adjustments drop constraint adjustments_tenant_id_metric_fkey;"
        " delete from tally.meters where metric = 'credits'",
        ["assert_every_booked_adjustment_is_billed"],
    ),
    "an adjustment taken back in part": (
        "update tally.adjustments set amount = amount - 0.000000000001 where reason = 'revert'",
        ["assert_reverts_net_to_zero"],
    ),
    "a revert that nobody approved": (
        "update tally.adjustments set state = 'rejected', booked_start = null, booked_end = null"
        " where reason = 'revert'",
        ["assert_reverts_net_to_zero"],
    ),
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

DECLARE = """
    insert into tally.tenants (tenant_id, name, time_zone) values ('newark', 'Newark', 'America/New_York');
    insert into tally.meters (tenant_id, metric, aggregation, property, time_unit) values
        ('newark', 'minutes', 'sum', null, null), ('newark', 'seats', 'unique', 'user', null),
        ('newark', 'gigabytes', 'time_weighted_sum', null, 'hour'), ('newark', 'credits', 'sum', null, null);
    insert into tally.adjustments (
        tenant_id, customer_ref, metric, period_start, period_end, amount, reason, state, created_at, created_by,
        decided_at, decided_by, booked_start, booked_end
    )
    select
        'newark', 'UA', 'credits', '2013-01-01 05:00+00', '2013-02-01 05:00+00', amount, 'goodwill', state,
        '2013-01-10', 'ann', '2013-01-10', 'bob', '2013-01-01 05:00+00', '2013-02-01 05:00+00'
    from (values (7, 'approved'), (-2.5, 'reverted')) as decided (amount, state);
    insert into tally.adjustments (
        tenant_id, customer_ref, metric, period_start, period_end, amount, reason, state, created_at, created_by,
        decided_at, decided_by, booked_start, booked_end, reverts
    )
    select
        tenant_id, customer_ref, metric, period_start, period_end, -amount, 'revert', 'approved', created_at,
        created_by, decided_at, decided_by, booked_start, booked_end, adjustment_id
    from tally.adjustments
    where state = 'reverted'
"""
LAND = """
    insert into raw.usage_events
        (tenant_id, idempotency_key, customer_ref, metric, quantity, properties, event_time, landed_at)
    values ('newark', %s, %s, %s, %s, %s, '2013-01-10', %s)
"""


@pytest.fixture(scope="module")
def sound(clone: Clone, built_template: str, dbt_folder: Path) -> str:
    """The name of a database whose ledger is right."""
    url = clone(built_template, "sound_ledger")
    with connect(url, autocommit=True) as connection:
        connection.execute(DECLARE)
        for delivery in DELIVERIES:
            connection.execute(LAND, delivery)
    built_ledger(url, dbt_folder).tick()
    return "sound_ledger"


@pytest.fixture
def ledger_url(postgres: EmbeddedPostgres, sound: str) -> Iterator[str]:
    """The URL of this test's own copy of it."""
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute(f"create database faulty_ledger template {sound} strategy file_copy")
        yield postgres.url("faulty_ledger")
        admin.execute("drop database faulty_ledger with (force)")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_turns_its_own_tests_red(ledger_url: str, dbt_folder: Path, fault: str) -> None:
    statement, findings = FAULTS[fault]
    with connect(ledger_url, autocommit=True) as connection:
        connection.execute(statement)
    results = Ledger(ledger_url, dbt_folder).test("test_type:singular")
    conflict_warning = [] if fault == "a conflict forgotten" else ["assert_no_conflict_waits"]
    red = sorted(test.name for test in results if test.status != "pass")
    assert red == sorted([*findings, *conflict_warning])


def test_every_integrity_test_has_a_fault_that_turns_it_red(ledger_url: str, dbt_folder: Path) -> None:
    """Those that other modules plant faults for are named here."""
    elsewhere = {
        "assert_every_verdict_has_its_cause",
        "assert_every_event_is_metered",
        "assert_no_conflict_waits",
        "assert_invoice_lines_are_their_events",
    }
    planted = {finding for _, findings in FAULTS.values() for finding in findings}
    known = {test.name for test in Ledger(ledger_url, dbt_folder).test("test_type:singular")}
    assert known - elsewhere == planted
