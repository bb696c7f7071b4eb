"""One pending adjustment per counter, whatever arrives and whatever people decide in between."""

from decimal import Decimal
from typing import Any

import psycopg
import pytest
from metered_month import JANUARY, LATE_AT, TENANT, Usage, land

from tally.adjustments import (
    AmountChanged,
    WrongState,
    approve,
    events_of,
    list_adjustments,
    propose_late_adjustments,
    reject,
    revert,
)
from tally.clock import FixedClock
from tally.ledger import Ledger


@pytest.fixture(autouse=True)
def ten_in_time(database: psycopg.Connection[Any]) -> None:
    """A value of 10 is in January's `sum` and `max` in time."""
    for metric in ("sum", "max"):
        land(database, [Usage(f"in-time-{metric}", metric, JANUARY[0], JANUARY[0], Decimal(10))])


def arrive(
    database: psycopg.Connection[Any], ledger: Ledger, clock: FixedClock, *events: tuple[str, str, int]
) -> list[tuple[int, Decimal, str]]:
    """Land late events (key, metric, quantity), tick, propose; what each counter's proposal has become."""
    land(database, [Usage(key, metric, JANUARY[0], LATE_AT, Decimal(quantity)) for key, metric, quantity in events])
    ledger.tick()
    return [(found.events, found.amount, found.state) for found in propose_late_adjustments(database, clock)]


def waiting(database: psycopg.Connection[Any]) -> list[tuple[str, Decimal]]:
    return [(row.adjustment_id, row.amount) for row in list_adjustments(database, TENANT, state="pending")]


def test_later_ones_join_the_pending_adjustment(
    database: psycopg.Connection[Any], ledger: Ledger, clock: FixedClock
) -> None:
    assert arrive(database, ledger, clock, ("a", "sum", 4), ("b", "sum", 3)) == [(2, 7, "pending")]
    [(first, _)] = waiting(database)
    assert arrive(database, ledger, clock, ("c", "sum", 1)) == [(1, 8, "pending")]
    assert waiting(database) == [(first, 8)]
    assert [event.idempotency_key for event in events_of(database, TENANT, first)] == ["a", "b", "c"]


def test_after_an_approval_a_new_one_holds_only_the_rest(
    database: psycopg.Connection[Any], ledger: Ledger, clock: FixedClock
) -> None:
    arrive(database, ledger, clock, ("a", "max", 15))
    [(first, amount)] = waiting(database)
    assert amount == 5
    approve(database, TENANT, first, "ada", clock)
    assert arrive(database, ledger, clock, ("b", "max", 18)) == [(1, 3, "pending")]


def test_what_changes_nothing_is_settled_at_once_and_still_takes_part_later(
    database: psycopg.Connection[Any], ledger: Ledger, clock: FixedClock
) -> None:
    """15 is approved, 12 changes nothing then; with 15 taken back, 12 is the highest: 2 more than in time."""
    arrive(database, ledger, clock, ("a", "max", 15))
    [(first, _)] = waiting(database)
    approve(database, TENANT, first, "ada", clock)
    assert arrive(database, ledger, clock, ("b", "max", 12)) == [(1, 0, "approved")]
    [settled] = list_adjustments(database, TENANT, event="b")
    assert (settled.decided_by, settled.booked_start) == ("tally", JANUARY[0])
    revert(database, TENANT, first, "ada", clock)
    [(again, amount)] = waiting(database)
    assert (amount, [event.idempotency_key for event in events_of(database, TENANT, again)]) == (2, ["b"])
    with pytest.raises(WrongState, match="amounts to 0"):
        revert(database, TENANT, settled.adjustment_id, "ada", clock)


@pytest.mark.parametrize("deed", ["reject", "revert"])
def test_decided_events_are_not_proposed_again(
    database: psycopg.Connection[Any], ledger: Ledger, clock: FixedClock, deed: str
) -> None:
    arrive(database, ledger, clock, ("a", "sum", 4))
    [(first, _)] = waiting(database)
    if deed == "reject":
        reject(database, TENANT, first, "ada", clock)
    else:
        approve(database, TENANT, first, "ada", clock)
        revert(database, TENANT, first, "ada", clock)
    assert waiting(database) == []
    assert arrive(database, ledger, clock, ("b", "sum", 3)) == [(1, 3, "pending")]


def test_events_that_cancel_out_need_nobody(
    database: psycopg.Connection[Any], ledger: Ledger, clock: FixedClock
) -> None:
    arrive(database, ledger, clock, ("a", "sum", 4))
    assert arrive(database, ledger, clock, ("b", "sum", -4)) == [(1, 0, "approved")]
    assert waiting(database) == []


def test_nobody_approves_an_amount_that_he_has_not_seen(
    database: psycopg.Connection[Any], ledger: Ledger, clock: FixedClock
) -> None:
    arrive(database, ledger, clock, ("a", "sum", 4))
    [(first, _)] = waiting(database)
    land(database, [Usage("b", "sum", JANUARY[0], LATE_AT, Decimal(3))])
    ledger.tick()
    with pytest.raises(AmountChanged, match="has changed from 4 to 7: it was not approved"):
        approve(database, TENANT, first, "ada", clock)
    assert waiting(database) == [(first, 7)]
    assert approve(database, TENANT, first, "ada", clock).after == 7


def test_what_the_ledger_proposed_one_person_may_approve(
    database: psycopg.Connection[Any], ledger: Ledger, clock: FixedClock
) -> None:
    database.execute("update tally.tenants set adjustments_need_second_person = true")
    arrive(database, ledger, clock, ("a", "sum", 4))
    [(first, _)] = waiting(database)
    assert approve(database, TENANT, first, "ada", clock).adjustment.state == "approved"


def test_between_two_models_of_a_tick_nothing_is_proposed(
    database: psycopg.Connection[Any], ledger: Ledger, clock: FixedClock
) -> None:
    """The late events are read, the counters not yet: a value without them would be too low."""
    land(database, [Usage("a", "max", JANUARY[0], LATE_AT, Decimal(15))])
    ledger.tick()
    moved = "update tally.model_bounds set read_to = (read_to::text::bigint %s)::text::xid8 where model = %%s"
    database.execute(moved % "- 1", ("ledger.int_usage_counters",))
    assert propose_late_adjustments(database, clock) == []
    database.execute(moved % "+ 1", ("ledger.int_usage_counters",))
    assert len(propose_late_adjustments(database, clock)) == 1
