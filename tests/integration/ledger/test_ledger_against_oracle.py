"""Random deliveries, repeats, conflicts and lateness, landed by interleaved transactions and ticked at random moments:
after every tick the ledger equals a plain Python count of what it may have seen, to the last digit."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, LiteralString

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from landing import AGGREGATIONS, JANUARY, LEDGER_TABLES, Delivery, contents, declare, land
from usage_oracle import WINDOW, Expected, Landed, expect

from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres
from tally.ledger import Ledger

SPLIT = datetime(2013, 1, 14, 9, 30, tzinfo=UTC)
BEFORE, AFTER = SPLIT - timedelta(days=31), SPLIT + timedelta(days=31)
PERIODS = {"AA": [(BEFORE, SPLIT), (SPLIT, AFTER)]}
QUIET = datetime(2013, 1, 20, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
EDGES = [JANUARY[0], JANUARY[1], SPLIT, QUIET, datetime(2013, 3, 10, 7, tzinfo=UTC)]
LANDINGS = [JANUARY[1] + WINDOW, SPLIT + WINDOW, AFTER + WINDOW, QUIET]
QUANTITIES = [Decimal(text) for text in ("0", "1.0", "-3.25", "0.000000000001", "999999999999999")]

PROPERTIES = [
    None,
    "{}",
    '{"user": "ann", "region": "eu", "bytes": 1024.5}',
    '{"user": "bob", "region": "us", "bytes": -7, "model": "large"}',
    '{"user": 7, "region": "asia", "bytes": 1}',
    '{"user": "ann", "region": "eu", "bytes": "many"}',
]

around = st.sampled_from([-INSTANT, timedelta(0), INSTANT])
deliveries = st.builds(
    Delivery,
    key=st.sampled_from([f"k{number}" for number in range(12)]),
    quantity=st.one_of(
        st.sampled_from(QUANTITIES),
        st.decimals(-1000, 1000, places=6),
    ),
    metric=st.sampled_from([*AGGREGATIONS, "scaled", "undeclared"]),
    customer=st.sampled_from(["AA", "UA"]),
    event_time=st.builds(lambda edge, step: edge + step, st.sampled_from(EDGES), around),
    landed_at=st.builds(lambda edge, step: edge + step, st.sampled_from(LANDINGS), around),
    properties=st.sampled_from(PROPERTIES),
)
Step = tuple[int, list[tuple[Delivery, int]], str]
# A step: (writer, deliveries to land now and how often each repeats, what the writer does then). Writer -1 is a tick.
steps = st.lists(
    st.one_of(
        st.tuples(
            st.integers(0, 2),
            st.lists(st.tuples(deliveries, st.integers(0, 3)), min_size=1, max_size=6),
            st.sampled_from(["commit", "commit", "stay open", "abort"]),
        ),
        st.just((-1, [], "tick")),
    ),
    min_size=1,
    max_size=8,
)


class Ground:
    """One database for all examples of this process, emptied before each."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.connection = connect(url, autocommit=True)
        self.ledger = Ledger(url, folder)
        declare(self.connection)
        for customer, periods in PERIODS.items():
            for start, end in periods:
                self.connection.execute(
                    "insert into tally.customer_periods values ('newark', %s, %s, %s, 'stripe')", (customer, start, end)
                )

    def empty(self) -> None:
        self.connection.execute(f"truncate raw.usage_events, {', '.join(LEDGER_TABLES)}")

    def found(self) -> Expected:
        counters = self._rows("""
            select customer_ref, metric, period_start, event_count, quantity_sum, quantity_min, quantity_max,
                last_quantity, event_value
            from marts.usage_counters
            where not is_carried
        """)
        deliveries = self._rows("""
            select customer_ref, metric, period_start, deliveries, events, duplicates, conflicts, late_events,
                counted_events, left_out_events
            from marts.usage_deliveries
        """)
        days = self._rows("select customer_ref, metric, day, dimensions, event_count, quantity_sum from marts.usage_daily")
        return Expected(
            counters={row[:3]: row[3:] for row in counters},
            deliveries={row[:3]: row[3:] for row in deliveries},
            conflicts=set(self._rows("select idempotency_key, seq from ledger.int_usage_events_conflicts")),
            late={key for (key,) in self._rows("select idempotency_key from ledger.int_usage_events_late")},
            days={(*row[:3], tuple(row[3][name] for name in ("region", "model") if row[3])): row[4:] for row in days},
        )

    def _rows(self, query: LiteralString) -> list[Any]:
        return self.connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def ground(postgres: EmbeddedPostgres, built_template: str, dbt_folder: Path) -> Iterator[Ground]:
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute(f"create database oracle_ground template {built_template}")
    ground = Ground(postgres.url("oracle_ground"), dbt_folder)
    yield ground
    ground.connection.close()


@pytest.mark.timeout(900)  # many ticks; a machine busy with other work makes them slow, not wrong
@settings(max_examples=8, deadline=None)
@given(steps=steps)
def test_the_ledger_equals_the_oracle_after_every_tick(ground: Ground, steps: list[Step]) -> None:
    ground.empty()
    numbers = count(1)
    committed: list[Landed] = []
    pending: dict[int, list[Landed]] = {0: [], 1: [], 2: []}
    with ExitStack() as stack:
        writers = [stack.enter_context(connect(ground.url)) for _ in pending]
        for writer, batch, then in [*steps, (-1, [], "tick")]:
            if writer < 0:
                tick_and_compare(ground, committed, [row.xid for rows in pending.values() for row in rows])
                continue
            connection = writers[writer]
            xid = connection.execute("select pg_current_xact_id()::text::bigint").fetchone()[0]  # type: ignore[index]
            for delivery, repeats in batch:
                for repeat in range(repeats + 1):
                    # A repeat lands later than it was sent first: landed_at is no part of the payload.
                    row = replace(delivery, seq=next(numbers), landed_at=delivery.landed_at + repeat * INSTANT)
                    land(connection, [row])
                    pending[writer].append(Landed(row, xid, row.seq or 0))
            if then != "stay open":
                connection.commit() if then == "commit" else connection.rollback()
                committed.extend(pending[writer] if then == "commit" else [])
                pending[writer] = []
        for writer, connection in enumerate(writers):
            connection.commit()
            committed.extend(pending[writer])
    tick_and_compare(ground, committed, [])
    incremental = contents(ground.connection)
    ground.ledger.refresh()
    assert contents(ground.connection) == incremental, "all of it in one batch gives the same rows, byte for byte"


def tick_and_compare(ground: Ground, committed: list[Landed], open_xids: list[int]) -> None:
    ground.ledger.tick()
    readable = [row for row in committed if row.xid < min(open_xids, default=row.xid + 1)]
    assert ground.found() == expect(readable, PERIODS)
