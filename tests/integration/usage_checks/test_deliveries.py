"""Repeats, late events, undecided conflicts, and counters that do not hold what was delivered: each is seen, alone."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
from usage_plan import declare

from tally.database import connect
from tally.ledger import Ledger
from tally.usage_checks import (
    conflicts_are_decided,
    counters_hold_what_was_delivered,
    deliveries_are_rarely_repeated,
    events_are_rarely_late,
)

NOW = datetime(2024, 3, 20, 12, tzinfo=UTC)
FEBRUARY = datetime(2024, 2, 10, tzinfo=UTC)
A_FIFTH, A_HUNDREDTH = Decimal("0.2"), Decimal("0.01")

_LAND = """
insert into raw.usage_events (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, landed_at)
select 'acme', %(customer)s || key, %(customer)s, 'api_calls', %(quantity)s, %(at)s, %(landed_at)s
from generate_series(%(first)s::int, %(last)s) as key
"""


def land(
    connection: psycopg.Connection[Any],
    customer: str,
    keys: tuple[int, int],
    *,
    at: datetime = NOW,
    landed_at: datetime = NOW,
    quantity: int = 1,
) -> None:
    row = {"customer": customer, "first": keys[0], "last": keys[1]}
    connection.execute(_LAND, row | {"at": at, "landed_at": landed_at, "quantity": quantity})


def test_each_finding_names_its_counter_and_no_other(built_database_url: str, ledger: Ledger) -> None:
    with connect(built_database_url, autocommit=True) as connection:
        declare(connection)
        land(connection, "clean", (1, 200))
        land(connection, "retries", (1, 200))
        land(connection, "retries", (1, 80))
        land(connection, "late", (1, 200), at=FEBRUARY, landed_at=FEBRUARY)
        land(connection, "late", (201, 205), at=FEBRUARY)
        land(connection, "two minds", (1, 200))
        land(connection, "two minds", (7, 9), quantity=2)
        assert counters_hold_what_was_delivered(connection, NOW).holds  # nothing is counted yet
        ledger.tick()

        repeated = deliveries_are_rarely_repeated(connection, NOW, A_FIFTH)
        assert [(row[1], row[4:]) for row in repeated.against] == [("retries", (280, 80, "28.57%", "20.00%"))]
        late = events_are_rarely_late(connection, NOW, A_HUNDREDTH)
        assert [(row[1], row[4:]) for row in late.against] == [("late", (205, 5, "2.44%", "1.00%"))]
        assert (late.holds, late.costs_money) == (False, False)
        calls = {"metric": "api_calls", "usage_checks": {"duplicate_ratio": "0.3"}}
        assert [str(change) for change in declare(connection, calls, duplicate_ratio="0.1", late_ratio="0.02")] == [
            "~ tenants acme: duplicate_ratio none -> 0.1, late_ratio none -> 0.02",
            "~ meters acme api_calls: duplicate_ratio none -> 0.3",
        ]
        allowed = deliveries_are_rarely_repeated(connection, NOW, A_FIFTH)
        assert (allowed.holds, allowed.sentence) == (True, "no counter is above its limit")
        late = events_are_rarely_late(connection, NOW, A_HUNDREDTH)
        assert [(row[1], row[-1]) for row in late.against] == [("late", "2.00%")]
        assert late.sentence.startswith("1 counters are above their limit of late events")
        undecided = conflicts_are_decided(connection, NOW)
        assert [(row[1], row[4], row[6]) for row in undecided.against] == [("two minds", 3, False)]
        assert (undecided.holds, undecided.costs_money) == (False, False)
        assert conflicts_are_decided(connection, NOW + timedelta(days=20)).costs_money  # March is being billed

        assert counters_hold_what_was_delivered(connection, NOW).holds
        connection.execute(
            "update ledger.int_usage_counters set event_count = event_count - 1 where customer_ref = 'clean'"
        )
        lost = counters_hold_what_was_delivered(connection, NOW)
        assert [(row[1], row[4:]) for row in lost.against] == [("clean", (200, 200, 200, 199))]
        assert lost.costs_money
