"""Random usage of every aggregation, some of it too late, approved in between: each pending adjustment is what a plain
count over lists of events says, to the last digit."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from time import perf_counter
from typing import Any

import psycopg
import pytest
from built_ledger import built_ledger
from cloned_database import Clone
from hypothesis import given, settings
from hypothesis import strategies as st
from metered_month import FEBRUARY, IN_TIME, JANUARY, LATE_AT, METERS, NOW, TENANT, Usage, declare, land, worth

from tally.adjustments import LateProposal, approve, list_adjustments, propose_late_adjustments
from tally.clock import FixedClock
from tally.database import connect
from tally.ledger import Ledger

TABLES = (
    "raw.usage_events, tally.adjustment_events, tally.adjustments, ledger.int_usage_events_deduplicated,"
    " ledger.int_usage_events_late, ledger.int_usage_counters, ledger.int_usage_value_counts,"
    " ledger.int_usage_gauge_readings"
)
QUANTITIES = [Decimal(text) for text in ("0", "1", "-3.25", "2.000000000001", "999999999999999", "7", "10", "100")]
moments = st.builds(
    lambda month, step: (JANUARY if month else FEBRUARY)[0] + timedelta(seconds=step),
    st.booleans(),
    # Seldom the same second, sometimes the first of the month.
    st.one_of(st.integers(0, 3), st.integers(0, 28 * 86_400)),
)
usage = st.builds(
    Usage,
    key=st.just(""),
    metric=st.sampled_from(sorted(METERS)),
    event_time=moments,
    landed_at=st.just(LATE_AT),
    quantity=st.one_of(st.sampled_from(QUANTITIES), st.decimals(-100, 100, places=3)),
    member=st.sampled_from("abcd"),
)
# The event and the wave in which it lands: 0 is in time, 1 and 2 are late.
waves = st.lists(st.tuples(usage, st.integers(0, 2)), min_size=1, max_size=60)
approvals = st.lists(st.booleans(), min_size=1, max_size=5)


class Ground:
    """One database for all examples of this process, emptied before each."""

    def __init__(self, url: str, folder: Path) -> None:
        self.connection = connect(url, autocommit=True)
        self.ledger = built_ledger(url, folder)
        declare(self.connection)

    def empty(self) -> None:
        self.connection.execute(f"truncate {TABLES}")

    def pending(self) -> dict[tuple[str, datetime], Decimal]:
        return {
            (found.metric, found.period_start): found.amount
            for found in list_adjustments(self.connection, TENANT, state="pending")
        }


@pytest.fixture(scope="module")
def ground(clone: Clone, built_template: str, dbt_folder: Path) -> Iterator[Ground]:
    url = clone(built_template, "late_amounts_ground")
    ground = Ground(url, dbt_folder)
    yield ground
    ground.connection.close()


@pytest.mark.timeout(600)
@settings(max_examples=8, deadline=None)
@given(drawn=waves, approvals=approvals)
def test_amounts_equal_a_plain_count(ground: Ground, drawn: list[tuple[Usage, int]], approvals: list[bool]) -> None:
    run_and_compare(ground, drawn, approvals)


@pytest.mark.thorough
@pytest.mark.timeout(900)
@settings(max_examples=60, deadline=None)
@given(drawn=waves, approvals=approvals)
def test_more_amounts_equal_a_plain_count(
    ground: Ground, drawn: list[tuple[Usage, int]], approvals: list[bool]
) -> None:
    run_and_compare(ground, drawn, approvals)


def run_and_compare(ground: Ground, drawn: list[tuple[Usage, int]], approvals: list[bool]) -> None:
    ground.empty()
    clock = FixedClock(NOW)
    landed: list[tuple[Usage, int]] = []
    billed: dict[tuple[str, datetime], Decimal] = {}
    for wave in (0, 1, 2):
        events = [
            replace(event, key=f"{wave}-{number}", seq=1000 * wave + number, landed_at=landed_at(event, wave))
            for number, (event, its_wave) in enumerate(drawn)
            if its_wave == wave
        ]
        land(ground.connection, events)
        landed += [(event, wave) for event in events]
        ground.ledger.tick()
        propose_late_adjustments(ground.connection, clock)
        assert propose_late_adjustments(ground.connection, clock) == [], "proposing again changes nothing"
        expected = {key: amount - billed.get(key, Decimal(0)) for key, amount in late_worth(landed).items()}
        assert ground.pending() == {key: amount for key, amount in expected.items() if amount}
        if wave == 1:
            pending = list_adjustments(ground.connection, TENANT, state="pending")
            for number, found in enumerate(pending):
                if approvals[number % len(approvals)]:
                    approve(ground.connection, TENANT, found.adjustment_id, "ada", clock)
                    billed[found.metric, found.period_start] = found.amount
    linked = ground.connection.execute(
        "select count(*), count(distinct idempotency_key) from tally.adjustment_events"
    ).fetchone()
    late = sum(wave > 0 for _, wave in landed)
    assert linked == (late, late), "every late event is in one adjustment"


def landed_at(event: Usage, wave: int) -> datetime:
    return event.event_time + IN_TIME if wave == 0 else LATE_AT + timedelta(hours=wave)


def late_worth(landed: list[tuple[Usage, int]]) -> dict[tuple[str, datetime], Decimal]:
    """Value with the late events minus value without, for every metric and month with late events."""
    amounts = {}
    for (metric, month), rows in groupby(sorted(landed, key=place), key=place):
        listed = list(rows)
        in_time = [event for event, wave in listed if wave == 0]
        if len(in_time) < len(listed):
            period = JANUARY if month == JANUARY[0] else FEBRUARY
            opening = held_before(landed, metric, period[0])
            with_late = worth(metric, [event for event, _ in listed], period, opening)
            amounts[metric, month] = with_late - worth(metric, in_time, period, opening)
    return amounts


def place(row: tuple[Usage, int]) -> tuple[str, datetime]:
    moment = row[0].event_time
    return row[0].metric, datetime(moment.year, moment.month, 1, tzinfo=UTC)


def held_before(landed: list[tuple[Usage, int]], metric: str, start: datetime) -> Decimal:
    """A gauge's last reading before the period, of those that count."""
    readings = [event for event, wave in landed if wave == 0 and event.metric == metric and event.event_time < start]
    if not readings:
        return Decimal(0)
    return max(readings, key=lambda event: (event.event_time, event.landed_at, event.seq or 0)).quantity


def test_an_idle_proposal_costs_little(database: psycopg.Connection[Any], ledger: Ledger, clock: FixedClock) -> None:
    """Over 20,000 late events that are all proposed already: a fraction of what proposing them took."""
    moments = [JANUARY[0] + timedelta(minutes=number) for number in range(20_000)]
    land(database, (Usage(f"k{at}", "sum", at, LATE_AT, customer=f"c{at.minute}") for at in moments))
    ledger.tick()
    first, proposals = timed_proposal(database, clock)
    assert (len(proposals), sum(proposal.events for proposal in proposals)) == (60, 20_000)
    database.execute("analyze")
    idle = [timed_proposal(database, clock) for _ in range(5)]
    assert all(proposals == [] for _, proposals in idle)
    assert min(seconds for seconds, _ in idle) < first / 4


def timed_proposal(database: psycopg.Connection[Any], clock: FixedClock) -> tuple[float, list[LateProposal]]:
    started = perf_counter()
    proposals = propose_late_adjustments(database, clock)
    return perf_counter() - started, proposals
