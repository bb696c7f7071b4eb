"""Random deliveries, repeats, conflicts, lateness and adjustments of tenants in several zones, landed by interleaved
transactions and ticked at random moments: after every tick the ledger equals plain Python, to the last digit."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, LiteralString, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from built_ledger import built_ledger
from cloned_database import Clone
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from landing import AGGREGATIONS, JANUARY, LEDGER_TABLES, Delivery, contents, declare, land
from shrinking_budget import ShrinkingBudget
from usage_oracle import WINDOW, CounterKey, Expected, Landed, World, expect, period_at

from tally.database import connect

INSTANT = timedelta(microseconds=1)
SPLIT = datetime(2013, 1, 14, 9, 30, tzinfo=UTC)
BEFORE, CHANGE, AFTER = SPLIT - timedelta(days=31), SPLIT - timedelta(days=4), SPLIT + timedelta(days=31)
QUIET = datetime(2013, 1, 20, tzinfo=UTC)
ISLANDS_SKIP_MIDNIGHT, ISLANDS_REPEAT_MIDNIGHT = (
    datetime(2013, 3, 31, 1, tzinfo=UTC),
    datetime(2013, 10, 27, tzinfo=UTC),
)
WORLD = World(
    zones={
        "newark": (ZoneInfo("America/New_York"), "month"),
        "mumbai": (ZoneInfo("Asia/Kolkata"), "week"),
        "ponta": (ZoneInfo("Atlantic/Azores"), "day"),
    },
    periods={
        # A plan change cut AA's first billing period in two; between ponta's two known periods lies a gap.
        ("newark", "AA"): [(BEFORE, CHANGE, SPLIT), (CHANGE, SPLIT, SPLIT), (SPLIT, AFTER, AFTER)],
        ("ponta", "AA"): [(CHANGE, SPLIT, SPLIT), (SPLIT + timedelta(hours=7), AFTER, AFTER)],
    },
    now=datetime(2013, 11, 20, tzinfo=UTC),
)
EDGES = [
    *JANUARY, CHANGE, SPLIT, SPLIT + timedelta(hours=7), QUIET,
    datetime(2013, 1, 6, 18, 30, tzinfo=UTC), datetime(2013, 3, 10, 7, tzinfo=UTC),
    ISLANDS_SKIP_MIDNIGHT, ISLANDS_REPEAT_MIDNIGHT, ISLANDS_REPEAT_MIDNIGHT + timedelta(hours=1),
]  # fmt: skip
LANDINGS = [*(edge + WINDOW for edge in EDGES), QUIET, WORLD.now]
QUANTITIES = [Decimal(text) for text in ("0", "1.0", "-3.25", "0.000000000001", "999999999999999")]
PROPERTIES = [
    None,
    "{}",
    '{"user": "ann", "region": "eu", "bytes": 1024.5}',
    '{"user": "bob", "region": "us", "bytes": -7, "model": "large"}',
    '{"user": 7, "region": "asia", "bytes": 1}',
    '{"user": "ann", "region": "eu", "bytes": "many"}',
]


class Adjustment(NamedTuple):
    """A correction that a person made; `state` is its column in the table, and a reverted one comes with its revert."""

    tenant: str
    customer: str
    metric: str
    moment: datetime
    amount: Decimal
    state: str


tenants, customers = st.sampled_from(sorted(WORLD.zones)), st.sampled_from(["AA", "UA"])
around = st.sampled_from([-INSTANT, timedelta(0), INSTANT])
moments = st.builds(lambda edge, step: edge + step, st.sampled_from(EDGES), around)
deliveries = st.builds(
    Delivery,
    key=st.sampled_from([f"k{number}" for number in range(12)]),
    quantity=st.one_of(st.sampled_from(QUANTITIES), st.decimals(-1000, 1000, places=6)),
    metric=st.sampled_from([*AGGREGATIONS, "scaled", "undeclared"]),
    customer=customers,
    event_time=moments,
    landed_at=st.builds(lambda edge, step: edge + step, st.sampled_from(LANDINGS), around),
    properties=st.sampled_from(PROPERTIES),
    tenant=tenants,
)
Step = tuple[int, list[tuple[Delivery, int]], str]
# A step: (writer, deliveries to land now and how often each repeats, what the writer does then). Writer -1 is a tick.
steps = st.lists(
    st.one_of(
        st.tuples(
            st.integers(0, 2),
            st.lists(st.tuples(deliveries, st.integers(0, 3)), min_size=1, max_size=12),
            st.sampled_from(["commit", "commit", "stay open", "abort"]),
        ),
        st.just((-1, [], "tick")),
    ),
    min_size=1,
    max_size=8,
)
adjustments = st.lists(
    st.builds(
        Adjustment,
        tenants,
        customers,
        st.sampled_from(AGGREGATIONS),
        moments,
        st.decimals(-1000, 1000, places=12),
        st.sampled_from(["approved", "approved", "pending", "rejected", "reverted"]),
    ),
    max_size=4,
)

_ADJUST = """
    insert into tally.adjustments (
        tenant_id, customer_ref, metric, period_start, period_end, amount, reason, state, created_at, created_by,
        decided_at, decided_by, booked_start, booked_end, reverts
    ) values (
        %(tenant)s, %(customer)s, %(metric)s, %(start)s, %(end)s, %(amount)s, %(reason)s, %(state)s, %(start)s, 'ann',
        case when %(state)s <> 'pending' then %(start)s end, case when %(state)s <> 'pending' then 'bob' end,
        case when %(state)s in ('approved', 'reverted') then %(start)s end,
        case when %(state)s in ('approved', 'reverted') then %(end)s end, %(reverts)s
    )
    returning adjustment_id
"""


class Ground:
    """One database for all examples of this process, emptied before each."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.connection = connect(url, autocommit=True)
        self.ledger = built_ledger(url, folder)
        self.connection.execute("insert into tally.simulated_clock (now) values (%s)", (WORLD.now,))
        for tenant, (zone, calendar_period) in WORLD.zones.items():
            declare(self.connection, tenant, zone.key, calendar_period)
        for (tenant, customer), periods in WORLD.periods.items():
            for period in periods:
                self.connection.execute(
                    "insert into tally.customer_periods"
                    " (tenant_id, customer_ref, period_start, period_end, closes_with, origin)"
                    " values (%s, %s, %s, %s, %s, 'stripe')",
                    (tenant, customer, *period),
                )

    def empty(self) -> None:
        self.connection.execute(
            f"truncate raw.usage_events, tally.adjustments cascade; truncate {', '.join(LEDGER_TABLES)}"
        )

    def adjust(self, made: list[Adjustment]) -> dict[CounterKey, Decimal]:
        """Write the adjustments; returns what is booked into which counter."""
        booked: dict[CounterKey, Decimal] = {}
        for one in made:
            start, end, _ = period_at(WORLD, (one.tenant, one.customer), one.moment)
            values = one._asdict() | {"start": start, "end": end, "reason": "correction", "reverts": None}
            row = self.connection.execute(_ADJUST, values).fetchone()
            if one.state in ("approved", "reverted"):
                amount = one.amount if one.state == "approved" else Decimal(0)
                key = (one.tenant, one.customer, one.metric, start)
                booked[key] = booked.get(key, Decimal(0)) + amount
            if one.state == "reverted" and row is not None:
                revert = {"amount": -one.amount, "reason": "revert", "state": "approved", "reverts": row[0]}
                self.connection.execute(_ADJUST, values | revert)
        return booked

    def found(self) -> Expected:
        counters = self._rows("""
            select tenant_id, customer_ref, metric, period_start, event_count, quantity_sum, quantity_min, quantity_max,
                last_quantity, event_value, adjustment, value
            from marts.usage_counters
        """)
        deliveries = self._rows("""
            select tenant_id, customer_ref, metric, period_start, deliveries, events, duplicates, conflicts,
                late_events, counted_events, left_out_events
            from marts.usage_deliveries
        """)
        days = self._rows("""
            select tenant_id, customer_ref, metric, day, dimensions, event_count, quantity_sum
            from marts.usage_daily
        """)
        conflicts = self._rows("select tenant_id, idempotency_key, seq from ledger.int_usage_events_conflicts")
        return Expected(
            counters={row[:4]: row[4:] for row in counters},
            deliveries={row[:4]: row[4:] for row in deliveries},
            conflicts=set(conflicts),
            late=set(self._rows("select tenant_id, idempotency_key from ledger.int_usage_events_late")),
            days={(*row[:4], tuple(row[4][name] for name in ("region", "model") if row[4])): row[5:] for row in days},
        )

    def _rows(self, query: LiteralString) -> list[Any]:
        return self.connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def ground(clone: Clone, built_template: str, dbt_folder: Path) -> Iterator[Ground]:
    ground = Ground(clone(built_template, "oracle_ground"), dbt_folder)
    yield ground
    ground.connection.close()


budget = ShrinkingBudget(seconds=60)
thorough_budget = ShrinkingBudget(seconds=60)


@pytest.mark.timeout(900)  # many ticks; a machine busy with other work makes them slow, not wrong
@settings(max_examples=7, deadline=None, print_blob=True, phases=set(Phase) - {Phase.explain})
@given(steps=steps, made=adjustments)
def test_the_ledger_equals_the_oracle_after_every_tick(
    ground: Ground, steps: list[Step], made: list[Adjustment]
) -> None:
    compare_within(budget, ground, steps, made)


@pytest.mark.thorough
@pytest.mark.timeout(1200)
@settings(max_examples=60, deadline=None, print_blob=True, phases=set(Phase) - {Phase.explain})
@given(steps=steps, made=adjustments)
def test_many_ledgers_equal_the_oracle_after_every_tick(
    ground: Ground, steps: list[Step], made: list[Adjustment]
) -> None:
    compare_within(thorough_budget, ground, steps, made)


def compare_within(budget: ShrinkingBudget, ground: Ground, steps: list[Step], made: list[Adjustment]) -> None:
    if budget.is_spent_on((steps, made)):
        return
    with budget.watch((steps, made)):
        run_and_compare(ground, steps, made)


def run_and_compare(ground: Ground, steps: list[Step], made: list[Adjustment]) -> None:
    ground.empty()
    world = replace(WORLD, booked=ground.adjust(made))
    numbers = count(1)
    committed: list[Landed] = []
    pending: dict[int, list[Landed]] = {0: [], 1: [], 2: []}
    with ExitStack() as stack:
        writers = [stack.enter_context(connect(ground.url)) for _ in pending]
        for writer, batch, then in steps:
            if writer < 0:
                open_xids = [row.xid for rows in pending.values() for row in rows]
                tick_and_compare(ground, world, committed, open_xids)
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
    tick_and_compare(ground, world, committed, [])
    incremental = contents(ground.connection)
    ground.ledger.refresh()
    assert contents(ground.connection) == incremental, "all of it in one batch gives the same rows, byte for byte"


def tick_and_compare(ground: Ground, world: World, committed: list[Landed], open_xids: list[int]) -> None:
    ground.ledger.tick()
    readable = [row for row in committed if row.xid < min(open_xids, default=row.xid + 1)]
    assert ground.found() == expect(readable, world)
