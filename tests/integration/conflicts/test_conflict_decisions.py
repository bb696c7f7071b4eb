"""What may be decided about a conflict, once, by whom; and what a decision writes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace as changed
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from built_ledger import built_ledger
from cloned_database import Clone
from metered_month import JANUARY, TENANT, Usage, declare, land

from tally.adjustments import AdjustmentRefused
from tally.clock import FixedClock
from tally.conflicts import (
    AlreadyDecided,
    Decision,
    NoConflict,
    UnclearChoice,
    deliveries_of,
    keep_first,
    list_conflicts,
    replace,
)
from tally.database import connect
from tally.ledger import Ledger

AT = JANUARY[0] + timedelta(days=3)
FIRST = Usage("k1", "sum", AT, AT, Decimal(4), seq=1)
SECOND = changed(FIRST, quantity=Decimal(9), seq=2, landed_at=AT + timedelta(hours=1))
THIRD = changed(FIRST, member="b", seq=3, landed_at=AT + timedelta(hours=2))


@pytest.fixture(scope="module")
def built_template(clone: Clone, built_template: str, dbt_folder: Path) -> str:
    """k1 landed as 4, then as 9, as 4 with another member, and as 4 again, which is no conflict; k2 twice the same."""
    name = "conflicting"
    url = clone(built_template, name)
    with connect(url, autocommit=True) as connection:
        declare(connection)
        for event in (FIRST, SECOND, THIRD, changed(FIRST, seq=4)):
            land(connection, [event])
        land(connection, [changed(FIRST, key="k2", seq=5), changed(FIRST, key="k2", seq=6)])
    built_ledger(url, dbt_folder).tick()
    return name


@pytest.fixture
def conflicting(built_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """This test's own copy of it."""
    with connect(built_database_url, autocommit=True) as connection:
        yield connection


def undecided(connection: psycopg.Connection[Any]) -> list[tuple[str, int]]:
    return [(row.idempotency_key, row.undecided) for row in list_conflicts(connection, TENANT, only_open=True)]


def test_deliveries_stand_side_by_side_with_what_differs(conflicting: psycopg.Connection[Any]) -> None:
    assert undecided(conflicting) == [("k1", 2)]
    deliveries = deliveries_of(conflicting, TENANT, "k1")
    assert [(row.number, row.quantity, row.differs_in(deliveries[0])) for row in deliveries] == [
        (1, 4, []),
        (2, 9, ["quantity"]),
        (3, 4, ["properties"]),
    ]


def test_keeping_the_first_changes_no_counter_and_can_be_said_again(
    conflicting: psycopg.Connection[Any], clock: FixedClock
) -> None:
    for _ in range(2):
        assert keep_first(conflicting, TENANT, "k1", "ada", "a retry bug", clock) == Decision("k1", "keep_first")
    assert undecided(conflicting) == []
    decided = conflicting.execute("select seq, decision, decided_by, note from tally.conflict_decisions order by seq")
    assert decided.fetchall() == [(2, "keep_first", "ada", "a retry bug"), (3, "keep_first", "ada", "a retry bug")]
    for table in ("tally.event_reversals", "tally.adjustments"):
        assert conflicting.execute(f"select from {table}").fetchall() == []


def test_what_lands_after_a_decision_waits_for_the_next_one(
    conflicting: psycopg.Connection[Any], ledger: Ledger, clock: FixedClock
) -> None:
    keep_first(conflicting, TENANT, "k1", "ada", "", clock)
    land(conflicting, [changed(SECOND, seq=7)])
    ledger.tick()
    assert undecided(conflicting) == [("k1", 1)]
    with pytest.raises(AlreadyDecided, match="ada decided at 2024-01-20 00:00:00Z that delivery 2 does not count"):
        replace(conflicting, TENANT, "k1", 2, "bob", "", clock)
    assert replace(conflicting, TENANT, "k1", None, "bob", "", clock).delivery == 4


def test_replacing_lands_the_other_payload_and_can_be_said_again(
    conflicting: psycopg.Connection[Any], clock: FixedClock
) -> None:
    for _ in range(2):
        decision = replace(conflicting, TENANT, "k1", 2, "ada", "9 is right", clock)
        assert decision == Decision("k1", "replace", 2, "k1~replaced-2", needs_recount=True)
    landed = conflicting.execute(
        "select customer_ref, metric, quantity, event_time, properties, landed_at from raw.usage_events"
        " where idempotency_key = 'k1~replaced-2'"
    ).fetchall()
    assert landed == [("globex", "sum", 9, AT, '{"member": "a"}', clock.at)]
    assert undecided(conflicting) == [], "with one in the first one's place, the others are out"
    reversals = conflicting.execute("select idempotency_key, reason, reversed_by from tally.event_reversals").fetchall()
    assert reversals == [("k1", "conflict: replaced by k1~replaced-2; 9 is right", "ada")]


def test_nobody_decides_otherwise_afterwards(conflicting: psycopg.Connection[Any], clock: FixedClock) -> None:
    replace(conflicting, TENANT, "k1", 2, "ada", "", clock)
    with pytest.raises(AlreadyDecided, match="delivery 2 replaces the first one"):
        keep_first(conflicting, TENANT, "k1", "bob", "", clock)
    with pytest.raises(AlreadyDecided, match="delivery 2 replaces the first one"):
        replace(conflicting, TENANT, "k1", 3, "bob", "", clock)


@pytest.mark.parametrize(
    ("key", "number", "refusal", "words"),
    [
        ("k1", None, UnclearChoice, "several differ from the first one of 'k1'; name one of 2, 3"),
        ("k1", 1, UnclearChoice, "none numbered 1"),
        ("k1", 9, UnclearChoice, "none numbered 9"),
        ("k2", None, NoConflict, "no conflict under the key 'k2'"),
        ("k3", None, NoConflict, "no conflict under the key 'k3'"),
    ],
)
def test_a_choice_must_be_clear(
    conflicting: psycopg.Connection[Any],
    clock: FixedClock,
    key: str,
    number: int | None,
    refusal: type[Exception],
    words: str,
) -> None:
    with pytest.raises(refusal, match=words):
        replace(conflicting, TENANT, key, number, "ada", "", clock)


def test_a_decision_is_somebodys(conflicting: psycopg.Connection[Any], clock: FixedClock) -> None:
    for nobody in ("", " ", "tally", "Tally "):
        with pytest.raises(AdjustmentRefused, match="nobody's name"):
            keep_first(conflicting, TENANT, "k1", nobody, "", clock)


@pytest.mark.parametrize("turn", range(2))
def test_of_two_who_decide_at_once_one_wins(
    conflicting: psycopg.Connection[Any], built_database_url: str, clock: FixedClock, turn: int
) -> None:
    def decide(number: int) -> str:
        with connect(built_database_url, autocommit=True) as connection:
            try:
                replace(connection, TENANT, "k1", number, f"person-{number}", "", clock)
            except AlreadyDecided as refused:
                return str(refused)
            return "done"

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(decide, (2, 3)))
    winner = 2 + outcomes.index("done")
    assert outcomes.count("done") == 1
    assert f"person-{winner} decided" in outcomes[3 - winner]
    landed = conflicting.execute("select from raw.usage_events where idempotency_key like 'k1~%'").fetchall()
    assert len(landed) == 1
