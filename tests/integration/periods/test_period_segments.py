"""A billing period cut in two: no gap, no overlap, one closing time, and Stripe's next word changes nothing."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from tally.customer_periods import KnownPeriod, take_over
from tally.database import connect
from tally.ledger import Ledger
from tally.period_segments import NoSuchPeriod, listed_periods, split_period
from tally.periods import Period
from tally.stored_periods import store_changes, stored_periods

MARCH = Period(datetime(2024, 3, 1, 8, 30, 15, tzinfo=UTC), datetime(2024, 4, 1, 8, 30, 15, tzinfo=UTC))
CHANGE = datetime(2024, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def subscribed(built_database_url: str) -> Iterator[psycopg.Connection]:
    with connect(built_database_url, autocommit=True) as connection:
        connection.execute("insert into tally.tenants (tenant_id, name) values ('acme', 'Acme')")
        connection.execute("insert into tally.meters (tenant_id, metric, aggregation) values ('acme', 'calls', 'sum')")
        connection.execute(
            "insert into tally.customer_periods values ('acme', 'globex', %s, %s, 'stripe')", (MARCH.start, MARCH.end)
        )
        yield connection


def test_the_segments_meet_and_close_with_the_whole(subscribed: psycopg.Connection) -> None:
    split_period(subscribed, "acme", "globex", CHANGE)
    rows = listed_periods(subscribed, "acme", "globex")
    assert [(row.period, row.closes_with) for row in rows] == [
        (Period(MARCH.start, CHANGE), MARCH.end),
        (Period(CHANGE, MARCH.end), MARCH.end),
    ]
    later = CHANGE + timedelta(days=3)
    split_period(subscribed, "acme", "globex", later)
    starts = [row.period.start for row in listed_periods(subscribed, "acme", "globex")]
    assert starts == [MARCH.start, CHANGE, later]


def test_a_dry_run_writes_nothing(subscribed: psycopg.Connection) -> None:
    first, second = split_period(subscribed, "acme", "globex", CHANGE, dry_run=True)
    assert (first.period.end, second.period.start) == (CHANGE, CHANGE)
    assert [row.period for row in listed_periods(subscribed, "acme")] == [MARCH]


@pytest.mark.parametrize("at", [MARCH.start, MARCH.end, MARCH.start - timedelta(days=40)])
def test_there_must_be_something_to_cut(subscribed: psycopg.Connection, at: datetime) -> None:
    with pytest.raises(NoSuchPeriod, match="globex"):
        split_period(subscribed, "acme", "globex", at)


def test_stripe_says_the_whole_period_again_and_the_segments_stay(subscribed: psycopg.Connection) -> None:
    split_period(subscribed, "acme", "globex", CHANGE)
    stored = stored_periods(subscribed, "acme", {"globex"})["globex"]
    assert stored == [KnownPeriod(MARCH, is_stripes=True)]
    following = Period(MARCH.end, datetime(2024, 5, 1, 8, 30, 15, tzinfo=UTC))
    changes = take_over(stored, MARCH, [following])
    store_changes(subscribed, "acme", "globex", changes)
    assert [row.period.start for row in listed_periods(subscribed, "acme")] == [MARCH.start, CHANGE, following.start]


def test_usage_is_counted_apart_and_late_for_both_at_the_same_moment(
    subscribed: psycopg.Connection, built_database_url: str, tmp_path: Path
) -> None:
    split_period(subscribed, "acme", "globex", CHANGE)
    closes_at = MARCH.end + timedelta(hours=48)
    instant = timedelta(microseconds=1)
    for number, (at, landed_at) in enumerate(
        [(CHANGE - instant, closes_at - instant), (CHANGE, CHANGE), (CHANGE - instant, closes_at)]
    ):
        subscribed.execute(
            "insert into raw.usage_events (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time,"
            " landed_at) values ('acme', %s, 'globex', 'calls', %s, %s, %s)",
            (f"k{number}", 10**number, at, landed_at),
        )
    Ledger(built_database_url, tmp_path).tick()
    counters = subscribed.execute(
        "select period_start, period_end, closes_at, value from marts.usage_counters order by period_start"
    ).fetchall()
    assert counters == [
        (MARCH.start, CHANGE, closes_at, Decimal(1)),
        (CHANGE, MARCH.end, closes_at, Decimal(10)),
    ]
