"""A tenant in March 2024 with Stripe beside it, as the tests of orchestration work with it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from stripe_side import StripeSide

TENANT = "acme"
METRIC = "api_calls"
MONTH = "2024-03"
START = datetime(2024, 3, 1, 8, 30, 15, tzinfo=UTC)
NOW = datetime(2024, 3, 20, 12, tzinfo=UTC)


@dataclass
class Stack:
    """The environment points here: a built database, a local Stripe with subscribed customers, a folder."""

    url: str
    home: Path
    connection: psycopg.Connection
    stripe: StripeSide
    customers: dict[str, str]

    def land(self, *keys: str, customer: str = "globex", quantity: int = 1) -> None:
        """One delivery of each key, an hour ago."""
        land(self.connection, *keys, customer=customer, quantity=quantity)

    def one(self, query: str) -> object:
        row = self.connection.execute(query).fetchone()
        assert row is not None
        return row[0]


def declare(connection: psycopg.Connection) -> None:
    """The tenant, its one metric and where it is billed; the simulated clock at NOW."""
    connection.execute("insert into tally.tenants (tenant_id, name) values (%s, 'Acme')", (TENANT,))
    connection.execute("insert into tally.meters values (%s, %s, 'sum')", (TENANT, METRIC))
    connection.execute("insert into tally.price_mappings values (%s, %s, %s)", (TENANT, METRIC, METRIC))
    connection.execute("insert into tally.simulated_clock (now) values (%s)", (NOW,))


def land(connection: psycopg.Connection, *keys: str, customer: str = "globex", quantity: int = 1) -> None:
    """Insert one delivery of each key in the connection's transaction, as the door would."""
    happened_at, landed_at = NOW - timedelta(hours=2), NOW - timedelta(hours=1)
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into raw.usage_events"
            " (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, landed_at)"
            " values (%s, %s, %s, %s, %s, %s, %s)",
            [(TENANT, key, customer, METRIC, quantity, happened_at, landed_at) for key in keys],
        )
