"""Replays count landed events again by today's periods, meters and decisions, and show the difference first."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
from landing import JANUARY, Delivery, contents, land, value
from world import it_is, on, period_known, reverse

from tally.ledger import Ledger
from tally.replay import Replays, Request, recount_events
from tally.settings import Settings

NEWARK = Request("newark")
PROPERTIES = '{"user": "u1", "region": "eu", "bytes": 5}'
METRICS = (
    "count", "sum", "min", "max", "last", "unique", "percentile", "time_weighted_sum", "average", "scaled",
    "undeclared",
)  # fmt: skip


def assert_counted_from_the_start(ledger: Ledger, database: psycopg.Connection) -> None:
    """What stands is what counting everything from the start gives, byte for byte."""
    stands = contents(database)
    ledger.refresh()
    assert contents(database) == stands


def test_over_nothing_changed_a_replay_shows_nothing(
    replays: Replays, ledger: Ledger, database: psycopg.Connection
) -> None:
    for number, metric in enumerate(METRICS):
        land(
            database, [on(day, f"{metric}-{day}", number + day, metric=metric, properties=PROPERTIES) for day in (3, 9)]
        )
        land(database, [on(3, f"{metric}-3", 99, metric=metric), on(9, f"{metric}-9", number + 9, metric=metric)])
        land(database, [on(4, f"{metric}-4", metric=metric, landed_at=JANUARY[1] + timedelta(days=9))])
        if number % 4 == 0:
            ledger.tick()
    ledger.tick()
    before = contents(database)
    shown = replays.show(NEWARK, "ann")
    assert (shown.state, list(shown.changes)) == ("shown", [])
    assert sum(scope.events for scope in shown.events) == 3 * len(METRICS)
    assert replays.apply("newark", shown.hash, "ann").state == "applied"
    assert contents(database) == before


def test_a_meter_declared_late_counts_what_landed_before_it(
    replays: Replays, ledger: Ledger, database: psycopg.Connection
) -> None:
    land(database, [on(3, "a", 3, metric="bytes"), on(4, "b", 4, metric="bytes"), on(5, "c")])
    ledger.tick()
    database.execute("insert into tally.meters (tenant_id, metric, aggregation) values ('newark', 'bytes', 'sum')")
    before = contents(database)
    shown = replays.show(Request("newark", metrics=("bytes",)), "ann")
    assert contents(database) == before, "showing changes nothing"
    (change,) = shown.changes
    assert (change.metric, change.value_before, change.value_after) == ("bytes", None, Decimal(7))
    assert (change.events_before, change.events_after, change.moved) == (0, 2, 2)
    assert not change.is_closed
    assert replays.apply("newark", shown.hash, "ann").state == "applied"
    assert value(database, "bytes") == Decimal(7)
    assert_counted_from_the_start(ledger, database)


def test_a_period_known_late_takes_its_events_from_the_calendar_month(
    replays: Replays, ledger: Ledger, database: psycopg.Connection
) -> None:
    land(database, [on(5, "a", 1), on(12, "b", 2), on(13, "c", 4), on(12, "d", 8, customer="other")])
    land(database, [on(12, "b", 3), on(13, "c", 4)])
    ledger.tick()
    starts, ends = datetime(2013, 1, 10, tzinfo=UTC), datetime(2013, 2, 10, tzinfo=UTC)
    period_known(database, starts, ends)
    shown = replays.show(Request("newark", since="2013-01-12", until="2013-01-13"), "ann")
    changed = {change.period_start: (change.value_before, change.value_after, change.moved) for change in shown.changes}
    # The scope grew to whole periods; the first of January keeps its event, in a period that ends earlier.
    assert changed == {JANUARY[0]: (Decimal(7), Decimal(1), 3), starts: (None, Decimal(6), 2)}
    replays.apply("newark", shown.hash, "ann")
    assert (value(database), value(database, customer="other")) == (Decimal(1), Decimal(8))
    assert database.execute("select first_period_start from ledger.int_usage_events_conflicts").fetchall() == [
        (starts,)
    ]
    assert_counted_from_the_start(ledger, database)


def test_a_reversed_event_leaves_its_counter_at_once(
    ledger: Ledger, database: psycopg.Connection, built_database_url: str, dbt_folder: object
) -> None:
    land(database, [on(5, "a", 5), on(6, "b", 7), on(6, "c", 7, metric="max"), on(7, "d", 2, metric="max")])
    ledger.tick()
    reverse(database, "b", "c")
    settings = Settings.model_validate(
        {"DATABASE_URL": built_database_url, "TALLY_HOME": dbt_folder, "TALLY_CLOCK": "simulated"}
    )
    applied = recount_events(settings, "newark", ["b", "c"], "ann")
    assert [(change.metric, change.delta) for change in applied.changes] == [("max", Decimal(-5)), ("sum", Decimal(-7))]
    assert (value(database), value(database, "max")) == (Decimal(5), Decimal(2))
    assert recount_events(settings, "newark", ["b", "c"], "ann").changes == []
    assert_counted_from_the_start(ledger, database)


def test_a_closed_counter_stays_as_it_is_unless_somebody_says_otherwise(
    replays: Replays, ledger: Ledger, database: psycopg.Connection
) -> None:
    land(database, [on(5, "a", 5), on(6, "b", 7)])
    ledger.tick()
    reverse(database, "b")
    it_is(database, JANUARY[1] + timedelta(hours=48))
    before = contents(database)
    shown = replays.show(NEWARK, "ann")
    (change,) = shown.changes
    assert (change.delta, change.is_closed, change.is_held) == (Decimal(-7), True, True)
    replays.apply("newark", shown.hash, "ann")
    assert contents(database) == before
    opened = replays.show(Request("newark", closed=True), "ann")
    assert opened.hash != shown.hash
    assert opened.held == []
    replays.apply("newark", opened.hash, "ann")
    assert value(database) == Decimal(5)


def test_events_do_not_leave_a_closed_counter_for_an_open_one(
    replays: Replays, ledger: Ledger, database: psycopg.Connection
) -> None:
    """Else they would be billed twice: the closed counter keeps them."""
    land(database, [on(5, "a", 1), on(15, "b", 2), on(15, "c", 3, metric="count")])
    ledger.tick()
    period_known(database, datetime(2013, 1, 10, tzinfo=UTC), datetime(2013, 2, 20, tzinfo=UTC))
    it_is(database, datetime(2013, 2, 10, tzinfo=UTC))
    before = contents(database)
    shown = replays.show(NEWARK, "ann")
    assert [(change.metric, change.is_closed, change.is_held) for change in shown.changes] == [
        ("count", True, True),
        ("count", False, True),
        ("sum", True, True),
        ("sum", False, True),
    ]
    replays.apply("newark", shown.hash, "ann")
    assert contents(database) == before


def test_what_a_gauge_carries_is_part_of_the_difference(
    replays: Replays, ledger: Ledger, database: psycopg.Connection
) -> None:
    december = datetime(2012, 12, 20, 12, tzinfo=UTC)
    land(database, [Delivery("g", Decimal(2), "time_weighted_sum", "UA", december, december)])
    ledger.tick()
    reverse(database, "g")
    shown = replays.show(Request("newark", closed=True), "ann")
    # January has no reading of its own and counts what December ended with: 744 hours of 2.
    assert [(change.period_start.month, change.value_after) for change in shown.changes] == [(12, None), (1, None)]
    assert shown.changes[1].value_before == Decimal(1488)
    replays.apply("newark", shown.hash, "ann")
    assert replays.show(Request("newark", closed=True), "ann").changes == []


def test_what_has_no_landed_row_any_more_keeps_its_period_and_is_listed(
    replays: Replays, ledger: Ledger, database: psycopg.Connection
) -> None:
    land(database, [on(12, "a", 1), on(13, "b", 2)])
    land(database, [on(12, "a", 1), on(13, "b", 2), on(12, "a", 9)])
    ledger.tick()
    database.execute("delete from raw.usage_events where idempotency_key = 'a'")
    starts = datetime(2013, 1, 10, tzinfo=UTC)
    period_known(database, starts, datetime(2013, 2, 10, tzinfo=UTC))
    shown = replays.show(NEWARK, "ann")
    assert [(scope.events, scope.without_landing) for scope in shown.events] == [(2, 1)]
    replays.apply("newark", shown.hash, "ann")
    assert value(database) == Decimal(1)
    deliveries = "select period_start, deliveries, events, duplicates, conflicts from marts.usage_deliveries order by 1"
    assert database.execute(deliveries).fetchall() == [(JANUARY[0], 3, 1, 1, 1), (starts, 2, 1, 1, 0)]


def test_what_an_adjustment_was_decided_about_does_not_come_to_count_as_well(
    replays: Replays, ledger: Ledger, database: psycopg.Connection
) -> None:
    land(database, [on(12, "a", 1), on(13, "b", 2, landed_at=JANUARY[1] + timedelta(days=3))])
    ledger.tick()
    database.execute(
        """
        with made as (
            insert into tally.adjustments (
                tenant_id, customer_ref, metric, period_start, period_end, amount, reason, state,
                created_at, created_by, decided_at, decided_by, booked_start, booked_end
            )
            select
                'newark', 'UA', 'sum', starts, ends, 2, 'late_events', 'approved',
                now(), 'tally', now(), 'ann', ends, ends + '28 days'
            from (values (%s::timestamptz, %s::timestamptz)) as january (starts, ends)
            returning adjustment_id
        )
        insert into tally.adjustment_events select 'newark', 'b', adjustment_id from made
        """,
        JANUARY,
    )
    # Of this period it would be in time.
    period_known(database, datetime(2013, 1, 10, tzinfo=UTC), datetime(2013, 2, 10, tzinfo=UTC))
    shown = replays.show(NEWARK, "ann")
    assert [(scope.events, scope.decided) for scope in shown.events] == [(2, 1)]
    assert sum(change.delta for change in shown.changes) == 0
    replays.apply("newark", shown.hash, "ann")
    counted = "select outcome, period_start from ledger.int_usage_events_deduplicated where idempotency_key = 'b'"
    assert database.execute(counted).fetchall() == [("late", JANUARY[0])]
