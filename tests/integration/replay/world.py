"""What happens to a tenant after its usage was counted, as tests of replays bring it about."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
from landing import Delivery


def on(day: int, key: str, quantity: int = 1, **other: object) -> Delivery:
    """An event of a day of January 2013, landed within the hour."""
    moment = datetime(2013, 1, day, 12, tzinfo=UTC)
    given = {"event_time": moment, "landed_at": moment + timedelta(hours=1), **other}
    return Delivery(key, Decimal(quantity), **given)  # type: ignore[arg-type]


def reverse(database: psycopg.Connection, *keys: str) -> None:
    """Take events out, as a decided conflict does."""
    for key in keys:
        database.execute(
            "insert into tally.event_reversals values ('newark', %s, 'test', tally.now(), 'ann')",
            (key,),
        )


def period_known(database: psycopg.Connection, starts: datetime, ends: datetime) -> None:
    """A subscription's period of the customer UA, told after its usage was counted."""
    database.execute(
        "insert into tally.customer_periods (tenant_id, customer_ref, period_start, period_end, origin)"
        " values ('newark', 'UA', %s, %s, 'stripe')",
        (starts, ends),
    )


def it_is(database: psycopg.Connection, now: datetime) -> None:
    database.execute("update tally.simulated_clock set now = %s", (now,))
