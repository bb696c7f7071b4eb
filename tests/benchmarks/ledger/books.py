"""A database whose ledger is measured: a tenant, its meters, a thousand customers with two known periods each."""

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import psycopg

from tally.clock import SystemClock
from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres
from tally.ledger import Ledger, Tick
from tally.migrations import migrate

TENANT = "acme"
METRICS = {"api_calls": "sum", "gigabytes": "max", "seats": "last"}
CUSTOMERS = 1_000
# The current period began a day ago; the one before it is over and, 48 hours long, still takes late events.
PERIOD_STARTS = (timedelta(days=-31), timedelta(days=-1), timedelta(days=30))

# Keys in no order, 40 bytes of properties. `age` is how long before `base` the usage took place.
_LAND = """
insert into raw.usage_events (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, properties)
select
    %(tenant)s, md5(number::text)::uuid::text, 'customer-' || lpad((number %% %(customers)s)::text, 4, '0'),
    (%(metrics)s::text[])[1 + (number / %(customers)s) %% 3], ((number * 7919) %% 100000) / 100.0,
    %(base)s - {age}, '{{"region":"eu-west-1","model":"small-2"}}'
from generate_series(%(first)s::bigint, %(last)s::bigint) as number
"""
# Nine of ten seconds old, the tenth up to most of a day: what clients send that were offline.
FRESH = "case when number % 10 = 0 then number * 7919 % 72000 else number * 7919 % 300 end * interval '1 second'"
# In the period before the current one, which all customers have usage in.
LATE = "interval '2 days' + number * 7919 % 2000000 * interval '1 second'"
_CLIENTS = "select from pg_stat_activity where datname = %s and backend_type = 'client backend'"


@dataclass
class Book:
    """One database and its ledger; `landed` counts the events that `land` has made so far."""

    name: str
    url: str
    base: datetime
    ledger: Ledger
    postgres: EmbeddedPostgres
    landed: int = 0

    def land(self, events: int, age: str = FRESH) -> None:
        """Land new events in one commit, and one delivery in a hundred again."""
        first, last = self.landed + 1, self.landed + events
        with connect(self.url) as connection:
            land(connection, self.base, first, last, age)
            connection.execute(
                psycopg.sql.SQL(
                    "insert into raw.usage_events"
                    " (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, properties)"
                    " select tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, properties"
                    " from raw.usage_events where xid = pg_current_xact_id() order by seq limit {}"
                ).format(events // 100)
            )
        self.landed = last

    def tick(self) -> tuple[Tick, float]:
        """A tick, and how many seconds of it Postgres was at work (two models at once count twice)."""
        before = self._sql_seconds()
        tick = self.ledger.tick()
        return tick, self._sql_seconds() - before

    def _sql_seconds(self) -> float:
        """What Postgres itself counts, asked from another database once everybody has left this one."""
        with connect(self.postgres.url("postgres"), autocommit=True) as admin:
            deadline = time.monotonic() + 10
            while admin.execute(_CLIENTS, (self.name,)).fetchone() is not None and time.monotonic() < deadline:
                time.sleep(0.01)
            row = admin.execute("select active_time from pg_stat_database where datname = %s", (self.name,)).fetchone()
        assert row is not None
        return float(row[0]) / 1000


def land(connection: psycopg.Connection, base: datetime, first: int, last: int, age: str) -> None:
    """Land the events numbered `first` to `last` in the connection's transaction."""
    values = {"tenant": TENANT, "customers": CUSTOMERS, "metrics": list(METRICS), "base": base}
    statement = _LAND.format(age=age.replace("%", "%%"))
    connection.execute(statement.encode(), values | {"first": first, "last": last})


@contextmanager
def book(postgres: EmbeddedPostgres, folder: Path, name: str, base: datetime | None = None) -> Iterator[Book]:
    """A new database with every model in it, dropped at the end. Usage takes place before `base` (default: now)."""
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute(psycopg.sql.SQL("create database {}").format(psycopg.sql.Identifier(name)))
    url, base = postgres.url(name), base or SystemClock().now().replace(microsecond=0)
    with connect(url) as connection:
        migrate(connection)
        _declare(connection, base)
    ledger = Ledger(url, folder / "dbt")
    ledger.tick()
    try:
        yield Book(name, url, base, ledger, postgres)
    finally:
        with connect(postgres.url("postgres"), autocommit=True) as admin:
            admin.execute(psycopg.sql.SQL("drop database {} with (force)").format(psycopg.sql.Identifier(name)))


def _declare(connection: psycopg.Connection, base: datetime) -> None:
    connection.execute("insert into tally.tenants (tenant_id, name) values (%s, 'Acme')", (TENANT,))
    for metric, aggregation in METRICS.items():
        connection.execute(
            "insert into tally.meters (tenant_id, metric, aggregation) values (%s, %s, %s)",
            (TENANT, metric, aggregation),
        )
    for start, end in itertools.pairwise(PERIOD_STARTS):
        connection.execute(
            """
            insert into tally.customer_periods (tenant_id, customer_ref, period_start, period_end, origin)
            select %s, 'customer-' || lpad(number::text, 4, '0'), %s, %s, 'stripe'
            from generate_series(0, %s) as number
            """,
            (TENANT, base + start, base + end, CUSTOMERS - 1),
        )
    connection.execute("select tally.ensure_partitions(%s, %s)", (base.date(), (base + timedelta(days=1)).date()))
