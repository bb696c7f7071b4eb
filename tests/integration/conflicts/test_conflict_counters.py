"""What a replacement does to counters: an open one is recounted, a closed one never changes and gets an adjustment."""

from dataclasses import replace as changed
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from metered_month import FEBRUARY, JANUARY, METERS, NOW, TENANT, Usage, land, worth

from tally.adjustments import approve, list_adjustments, propose_late_adjustments
from tally.clock import FixedClock
from tally.conflicts import replace
from tally.ledger import Ledger

DAY = timedelta(days=1)
QUANTITIES = ("5", "12.5", "3", "12.5", "-4", "8", "0.000000000001")
MEMBERS = "abcbadc"


def month_of_usage(metric: str) -> list[Usage]:
    """Seven events, one a day, the second of which is the highest."""
    days = [JANUARY[0] + number * DAY for number in range(len(MEMBERS))]
    return [
        Usage(f"{metric}-{number}", metric, day, day, Decimal(QUANTITIES[number]), MEMBERS[number], seq=number)
        for number, day in enumerate(days)
    ]


def value(connection: psycopg.Connection[Any], metric: str, customer: str = "globex") -> Decimal:
    row = connection.execute(
        "select coalesce(sum(value), 0) from marts.usage_counters"
        " where metric = %s and customer_ref = %s and period_start = %s",
        (metric, customer, JANUARY[0]),
    ).fetchone()
    assert row is not None
    return Decimal(row[0])


def conflict(database: psycopg.Connection[Any], ledger: Ledger, first: Usage, other: Usage, usage: list[Usage]) -> None:
    """Land the usage, then another payload under the key of `first`."""
    land(database, usage)
    land(database, [changed(other, key=first.key, seq=100)])
    ledger.tick()


@pytest.mark.parametrize("position", [1, pytest.param(6, marks=pytest.mark.thorough)])
def test_closed_counters_get_what_they_would_have_been_worth(
    database: psycopg.Connection[Any], ledger: Ledger, clock: FixedClock, position: int
) -> None:
    """A middle event and the last one; the other payload is smaller, another member, and two hours later."""
    opening = Decimal(2)
    usage, replaced = {}, {}
    for metric in METERS:
        usage[metric] = month_of_usage(metric)
        earlier = Usage(f"{metric}-", metric, JANUARY[0] - DAY, JANUARY[0] - DAY, opening, seq=50)
        first = usage[metric][position]
        other = changed(
            first, quantity=Decimal("6.75"), member="z", event_time=first.event_time + timedelta(hours=2), seq=100
        )
        land(database, [earlier, *usage[metric], other])
        replaced[metric] = [event for event in usage[metric] if event is not first] + [changed(other, landed_at=NOW)]
    ledger.tick()
    clock.at = NOW
    expected = {}
    for metric in METERS:
        was = worth(metric, usage[metric], JANUARY, opening)
        assert value(database, metric) == was
        expected[metric] = worth(metric, replaced[metric], JANUARY, opening) - was
        decision = replace(database, TENANT, f"{metric}-{position}", 2, "ada", "6.75 is right", clock)
        assert (metric, decision.needs_recount, decision.amount) == (metric, False, expected[metric])
    ledger.tick()
    assert propose_late_adjustments(database, clock) == [], "what replaces it is in that adjustment, not late usage"
    for metric in METERS:
        [made] = list_adjustments(database, TENANT, metric=metric)
        assert (made.reason, made.state) == ("conflict", "pending" if expected[metric] else "approved")
        for key in (f"{metric}-{position}", f"{metric}-{position}~replaced-100"):
            assert list_adjustments(database, TENANT, event=key) == [made]
        if expected[metric]:
            booking = approve(database, TENANT, made.adjustment_id, "bob", clock)
            assert booking.adjustment.booked_start == datetime(2024, 3, 1, tzinfo=UTC)
        assert value(database, metric) == worth(metric, usage[metric], JANUARY, opening), "it is closed"


def test_open_counters_are_recounted(database: psycopg.Connection[Any], ledger: Ledger, clock: FixedClock) -> None:
    usage, replaced = {}, {}
    for metric in METERS:
        usage[metric] = month_of_usage(metric)
        other = changed(usage[metric][1], quantity=Decimal("6.75"), member="z", seq=100)
        land(database, [*usage[metric], other])
        replaced[metric] = [event for event in usage[metric] if event is not usage[metric][1]]
        replaced[metric].append(changed(other, landed_at=clock.at))
    ledger.tick()
    for metric in METERS:
        assert replace(database, TENANT, f"{metric}-1", None, "ada", "", clock).needs_recount
    ledger.refresh()
    found = {metric: value(database, metric) for metric in METERS}
    assert found == {metric: worth(metric, replaced[metric], JANUARY, Decimal(0)) for metric in METERS}
    assert list_adjustments(database, TENANT) == []


@pytest.mark.thorough
def test_a_replacement_of_another_customer_counts_there_by_itself(
    database: psycopg.Connection[Any], ledger: Ledger, clock: FixedClock
) -> None:
    """In closed January: 12.5 is taken from globex by an adjustment, and initech's is late usage."""
    usage = month_of_usage("sum")
    conflict(database, ledger, usage[1], changed(usage[1], customer="initech"), usage)
    clock.at = NOW
    decision = replace(database, TENANT, "sum-1", None, "ada", "", clock)
    assert decision.amount == Decimal("-12.5")
    ledger.tick()
    propose_late_adjustments(database, clock)
    found = {(row.customer_ref, row.reason): row.amount for row in list_adjustments(database, TENANT, state="pending")}
    assert found == {("globex", "conflict"): Decimal("-12.5"), ("initech", "late_events"): Decimal("12.5")}


def test_a_replacement_that_happened_in_an_open_month_counts_in_it(
    database: psycopg.Connection[Any], ledger: Ledger, clock: FixedClock
) -> None:
    usage = month_of_usage("sum")
    moved = changed(usage[1], event_time=FEBRUARY[0] + DAY, landed_at=FEBRUARY[0] + DAY)
    conflict(database, ledger, usage[1], moved, usage)
    clock.at = FEBRUARY[0] + 3 * DAY
    assert replace(database, TENANT, "sum-1", None, "ada", "", clock).amount == Decimal("-12.5")
    ledger.tick()
    assert propose_late_adjustments(database, clock) == []
    february = database.execute(
        "select value from marts.usage_counters where period_start = %s", (FEBRUARY[0],)
    ).fetchone()
    assert february == (Decimal("12.5"),)


@pytest.mark.thorough
def test_replacing_a_late_event_changes_what_waits_for_it(
    database: psycopg.Connection[Any], ledger: Ledger, clock: FixedClock
) -> None:
    """It is in no counter, so it is reversed; the late usage that is proposed becomes that of its replacement."""
    clock.at = NOW
    late = Usage("late", "sum", JANUARY[0], NOW - DAY, Decimal(4), seq=1)
    conflict(database, ledger, late, changed(late, quantity=Decimal(9)), [late])
    propose_late_adjustments(database, clock)
    assert replace(database, TENANT, "late", None, "ada", "", clock).needs_recount
    ledger.refresh()
    [proposal] = propose_late_adjustments(database, clock)
    [pending] = list_adjustments(database, TENANT)
    assert (proposal.events, pending.amount, pending.state) == (1, 9, "pending")
    links = database.execute("select idempotency_key from tally.adjustment_events").fetchall()
    assert links == [("late~replaced-100",)]
