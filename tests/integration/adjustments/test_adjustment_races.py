"""Two hands at once on one adjustment: one wins, the other is told so, and the counter changes once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier
from typing import Any

import psycopg
import pytest
from metered_month import JANUARY, LATE_AT, TENANT, Usage, land

from tally.adjustments import (
    AmountChanged,
    Request,
    WrongState,
    approve,
    create,
    list_adjustments,
    propose_late_adjustments,
    read,
    reject,
    revert,
)
from tally.clock import FixedClock
from tally.database import connect
from tally.ledger import Ledger

Deed = Callable[[psycopg.Connection[Any], str, str, str, FixedClock], Any]


@pytest.fixture
def made(database: psycopg.Connection[Any], clock: FixedClock) -> str:
    """A pending adjustment of 5."""
    database.execute("insert into tally.customers values (%s, 'globex')", (TENANT,))
    request = Request("globex", "sum", JANUARY[0], Decimal(5), "correction", "")
    return create(database, TENANT, request, "ada", clock).adjustment_id


def at_once(url: str, adjustment_id: str, deeds: list[Deed], clock: FixedClock) -> list[str]:
    """Each deed from a connection of its own, all started together; what became of each."""
    together = Barrier(len(deeds))

    def run(deed: Deed, actor: str) -> str:
        with connect(url, autocommit=True) as connection:
            together.wait()
            try:
                deed(connection, TENANT, adjustment_id, actor, clock)
            except WrongState as refused:
                return str(refused)
            return "done"

    with ThreadPoolExecutor(len(deeds)) as pool:
        return list(pool.map(run, deeds, (f"person-{number}" for number in range(len(deeds)))))


def adjusted(database: psycopg.Connection[Any]) -> Decimal:
    row = database.execute("select coalesce(sum(adjustment), 0) from marts.usage_counters").fetchone()
    assert row is not None
    return Decimal(row[0])


@pytest.mark.parametrize("turn", range(2))
def test_of_two_approvers_one_wins(
    database: psycopg.Connection[Any], built_database_url: str, made: str, clock: FixedClock, turn: int
) -> None:
    outcomes = at_once(built_database_url, made, [approve, approve, approve], clock)
    assert outcomes.count("done") == 1
    winner = read(database, TENANT, made).decided_by
    assert winner == f"person-{outcomes.index('done')}"
    assert all(f"is approved by {winner}" in outcome for outcome in outcomes if outcome != "done")
    assert adjusted(database) == 5


@pytest.mark.parametrize("turn", range(2))
def test_approving_and_rejecting_at_once_is_one_of_the_two(
    database: psycopg.Connection[Any], built_database_url: str, made: str, clock: FixedClock, turn: int
) -> None:
    outcomes = at_once(built_database_url, made, [approve, reject], clock)
    assert outcomes.count("done") == 1
    assert adjusted(database) == (5 if outcomes[0] == "done" else 0)


@pytest.mark.parametrize("turn", range(2))
def test_approving_and_reverting_at_once_leaves_five_or_nothing(
    database: psycopg.Connection[Any], built_database_url: str, made: str, clock: FixedClock, turn: int
) -> None:
    outcomes = at_once(built_database_url, made, [approve, revert], clock)
    assert outcomes[0] == "done"
    assert adjusted(database) == (0 if outcomes[1] == "done" else 5)


@pytest.mark.parametrize("turn", range(2))
def test_reverting_twice_at_once_reverts_once(
    database: psycopg.Connection[Any], built_database_url: str, made: str, clock: FixedClock, turn: int
) -> None:
    approve(database, TENANT, made, "ada", clock)
    outcomes = at_once(built_database_url, made, [revert, revert], clock)
    assert outcomes.count("done") == 1
    assert any("is reverted" in outcome for outcome in outcomes)
    assert adjusted(database) == 0


def test_the_database_holds_one_revert_whoever_writes_it(
    database: psycopg.Connection[Any], made: str, clock: FixedClock
) -> None:
    approve(database, TENANT, made, "ada", clock)
    revert(database, TENANT, made, "ada", clock)
    with pytest.raises(psycopg.errors.UniqueViolation):
        database.execute(
            "insert into tally.adjustments (tenant_id, customer_ref, metric, period_start, period_end, amount, reason,"
            " state, created_at, created_by, decided_at, decided_by, booked_start, booked_end, reverts)"
            " select tenant_id, customer_ref, metric, period_start, period_end, amount, reason, state, created_at,"
            " created_by, decided_at, decided_by, booked_start, booked_end, reverts"
            " from tally.adjustments where reverts is not null"
        )


def test_proposers_at_once_make_one_adjustment(
    database: psycopg.Connection[Any], built_database_url: str, ledger: Ledger, clock: FixedClock
) -> None:
    land(database, [Usage(f"k{number}", "sum", JANUARY[0], LATE_AT) for number in range(100)])
    ledger.tick()

    def propose(_: int) -> int:
        with connect(built_database_url, autocommit=True) as connection:
            return len(propose_late_adjustments(connection, clock))

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(propose, range(4))) == 1
    [pending] = list_adjustments(database, TENANT)
    assert pending.amount == 100


def test_late_events_that_come_while_somebody_approves_are_in_neither_twice(
    database: psycopg.Connection[Any], built_database_url: str, ledger: Ledger, clock: FixedClock
) -> None:
    land(database, [Usage("k0", "sum", JANUARY[0], LATE_AT)])
    ledger.tick()
    [proposed] = propose_late_adjustments(database, clock)
    land(database, [Usage("k1", "sum", JANUARY[0], LATE_AT, Decimal(7))])
    ledger.tick()

    def propose(connection: psycopg.Connection[Any], *_: Any) -> None:
        propose_late_adjustments(connection, clock)

    at_once(built_database_url, proposed.adjustment_id, [ignoring_changes(approve), propose], clock)
    propose_late_adjustments(database, clock)
    for waiting in list_adjustments(database, TENANT, state="pending"):
        approve(database, TENANT, waiting.adjustment_id, "ada", clock)
    assert adjusted(database) == 8


def ignoring_changes(deed: Deed) -> Deed:
    def run(*arguments: Any) -> None:
        try:
            deed(*arguments)
        except AmountChanged:
            return

    return run
