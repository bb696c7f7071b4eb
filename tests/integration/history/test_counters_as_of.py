"""What was known at a moment, counted afresh from the ledger, is what the incremental counters said at that moment."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Any

import psycopg
import pytest
from metered_month import FEBRUARY, JANUARY, LATE_AT, NOW, TENANT, Usage, land
from random_month import land_in_order, random_usage

from tally import adjustments
from tally.clock import FixedClock
from tally.history import KnownCounter, Selection, known_at, known_now
from tally.ledger import Ledger


def set_time(database: psycopg.Connection[Any], now: datetime) -> None:
    database.execute("update tally.simulated_clock set now = %s", (now,))


def remembered(counters: Sequence[KnownCounter]) -> dict[Any, KnownCounter]:
    assert len({counter.key for counter in counters}) == len(counters)
    return {counter.key: counter for counter in counters}


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.thorough)])
def test_each_tick_is_found_again_at_its_moment(
    database: psycopg.Connection[Any], ledger: Ledger, clock: FixedClock, seed: int
) -> None:
    random = Random(seed)
    moments = [JANUARY[0], JANUARY[0] + timedelta(days=20), JANUARY[1] + timedelta(days=1), LATE_AT, NOW]
    usage: list[Usage] = []
    then: dict[datetime, dict[Any, KnownCounter]] = {}
    for since, until in pairwise(moments):
        batch = random_usage(random, 60, (since, until), usage)
        land_in_order(database, batch)
        usage += batch
        set_time(database, until)
        clock.at = until - timedelta(minutes=1)
        ledger.tick()
        for proposal in adjustments.propose_late_adjustments(database, clock)[::2]:
            if proposal.state == "pending":
                adjustments.approve(database, TENANT, proposal.adjustment_id, "ada", clock)
        then[until] = remembered(known_now(database, TENANT))
    assert sum(counter.adjustment != 0 for counter in then[NOW].values()) > 0
    assert sum(counter.is_carried for counter in then[NOW].values()) > 0
    for moment, counters in then.items():
        assert remembered(known_at(database, TENANT, moment)) == counters, f"seed {seed}, at {moment}"


def test_a_selection_asks_both_paths_for_the_same(database: psycopg.Connection[Any], ledger: Ledger) -> None:
    for customer in ("globex", "initech"):
        for metric in ("sum", "gauge"):
            land(
                database, [Usage(f"{customer}-{metric}", metric, JANUARY[0], JANUARY[0], Decimal(3), customer=customer)]
            )
    ledger.tick()
    for selection, expected in (
        (Selection(customer_ref="globex"), 4),
        (Selection(metric="sum"), 2),
        (Selection("initech", "gauge", *FEBRUARY), 1),
        (Selection("nobody"), 0),
    ):
        found = known_now(database, TENANT, selection)
        assert len(found) == expected
        assert known_at(database, TENANT, NOW, selection) == found


def test_an_event_taken_out_since_still_counts_at_its_moment(database: psycopg.Connection[Any], ledger: Ledger) -> None:
    event = Usage("a", "sum", JANUARY[0], JANUARY[0], Decimal(3))
    land(database, [event, replace(event, key="b", quantity=Decimal(4))])
    ledger.tick()
    # As replaying the counter leaves it.
    database.execute("update ledger.int_usage_events_deduplicated set outcome = 'reversed' where idempotency_key = 'b'")
    database.execute("insert into tally.event_reversals values (%s, 'b', 'wrong', %s, 'ada')", (TENANT, JANUARY[1]))
    assert [counter.value for counter in known_at(database, TENANT, JANUARY[1])] == [7]
    assert [counter.value for counter in known_at(database, TENANT, JANUARY[1] + timedelta(seconds=1))] == [3]
