"""As billed at a moment and as known now: the differences, each with reasons that add up to it."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from metered_month import JANUARY, LATE_AT, NOW, TENANT, Usage, land
from tally_command import run_tally

from tally import adjustments
from tally.clock import FixedClock
from tally.history import Difference, Selection, differences
from tally.ledger import Ledger

THEN = JANUARY[0] + timedelta(days=10)
DAY = timedelta(days=1)


def told(
    database: psycopg.Connection[Any], value: str, at: datetime, *, seq: int = 1, metric: str = "sum",
    state: str = "confirmed", account: str = "self",
) -> None:  # fmt: skip
    """An intent as the push ledger keeps it."""
    database.execute(
        "insert into tally.push_intents (tenant_id, account, livemode, customer_ref, metric, period_start, period_end,"
        " seq, value, counter_value, event_name, stripe_customer_id, event_ts, identifier, state, planned_at,"
        " confirmed_at) values (%s, %s, false, 'globex', %s, %s, %s, %s, %s, %s, 'sum', 'cus_1', %s,"
        " gen_random_uuid()::text, %s, %s, %s)",
        (TENANT, account, metric, *JANUARY, seq, value, value, at, state, at, at if state == "confirmed" else None),
    )


def invoiced(database: psycopg.Connection[Any], quantity: str | None, status: str, read_at: datetime) -> None:
    database.execute(
        "insert into tally.stripe_totals (tenant_id, account, livemode, customer_ref, metric, period_start, period_end,"
        " invoice_id, invoice_status, invoice_quantity, invoice_read_at)"
        " values (%s, 'self', false, 'globex', 'sum', %s, %s, 'in_1', %s, %s, %s)",
        (TENANT, *JANUARY, status, quantity, read_at),
    )


def replayed(database: psycopg.Connection[Any], at: datetime, *, held: bool) -> None:
    """A replay of the counter as it is recorded once it is applied."""
    database.execute(
        "with replay as (insert into tally.replays (tenant_id, request, since, until, asked_by, state, hash,"
        " applied_by, applied_at) values (%s, '{}', %s, %s, 'ada', 'applied', 'x', 'ada', %s) returning replay_id)"
        " insert into tally.replay_changes (replay_id, customer_ref, metric, period_start, value_after, events_before,"
        " events_after, late_before, late_after, moved, is_closed, is_held)"
        " select replay_id, 'globex', 'sum', %s, 5.25, 0, 2, 0, 0, 2, false, %s from replay",
        (TENANT, *JANUARY, at, JANUARY[0], held),
    )


def usage(key: str, size: str, landed_at: datetime) -> Usage:
    return Usage(key, "sum", JANUARY[0], landed_at, Decimal(size))


@pytest.fixture
def mapped(database: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    database.execute("insert into tally.price_mappings values (%s, 'sum', 'sum')", (TENANT,))
    return database


def amounts(line: Difference) -> dict[str, Decimal]:
    assert line.difference == sum(reason.amount for reason in line.reasons)
    return {reason.cause: reason.amount for reason in line.reasons}


def test_nothing_differs_when_all_that_is_known_was_told(mapped: psycopg.Connection[Any], ledger: Ledger) -> None:
    land(mapped, [usage("a", "5", THEN - DAY)])
    ledger.tick()
    told(mapped, "5", THEN - DAY)
    assert differences(mapped, TENANT, THEN) == []


def test_each_reason_has_its_part(mapped: psycopg.Connection[Any], ledger: Ledger, clock: FixedClock) -> None:
    land(mapped, [usage("a", "5", THEN - DAY), usage("b", "0.25", THEN), usage("late", "2", LATE_AT)])
    ledger.tick()
    told(mapped, "3", THEN - DAY)
    told(mapped, "2", THEN, seq=2)
    correction = adjustments.Request("globex", "sum", JANUARY[0], Decimal("-1.5"), "correction", "agreed")
    mapped.execute("update tally.tenants set adjustments_book_into = 'own_period_if_open'")
    clock.at = THEN + DAY
    made = adjustments.create(mapped, TENANT, correction, "ada", clock)
    adjustments.approve(mapped, TENANT, made.adjustment_id, "bob", clock)
    replayed(mapped, THEN, held=False)
    replayed(mapped, THEN, held=True)
    replayed(mapped, THEN - DAY, held=False)
    [line] = differences(mapped, TENANT, THEN)
    assert (line.source, line.billed, line.known) == ("told", Decimal(3), Decimal("3.75"))
    telling = {"late_events": 0, "replay": 0}
    assert amounts(line) == {"unsent": 2, "events": Decimal("0.25"), "adjustment": Decimal("-1.5"), **telling}
    [replay] = [reason.detail for reason in line.reasons if reason.cause == "replay"]
    assert replay.endswith("by ada on 2024-01-11 00:00:00Z: none -> 5.25")
    assert [reason.adjustment_id for reason in line.reasons if reason.cause == "adjustment"] == [made.adjustment_id]


@pytest.mark.parametrize(
    ("status", "read_at", "source", "billed"),
    [
        ("paid", THEN - DAY, "invoice", Decimal(7)),
        ("void", THEN - DAY, "invoice", Decimal(0)),
        ("draft", THEN - DAY, "told", Decimal(4)),
        ("paid", THEN, "told", Decimal(4)),
    ],
)
def test_a_final_invoice_that_was_read_by_then_is_what_was_billed(
    mapped: psycopg.Connection[Any], ledger: Ledger, status: str, read_at: datetime, source: str, billed: Decimal
) -> None:
    land(mapped, [usage("a", "5", THEN - DAY)])
    ledger.tick()
    told(mapped, "4", THEN - DAY)
    invoiced(mapped, "7", status, read_at)
    [line] = differences(mapped, TENANT, THEN)
    assert (line.source, line.billed, line.difference) == (source, billed, 5 - billed)
    amounts(line)


def test_a_negative_total_is_billed_as_nothing(mapped: psycopg.Connection[Any], ledger: Ledger) -> None:
    land(mapped, [usage("a", "-5", THEN - DAY)])
    ledger.tick()
    invoiced(mapped, "0", "paid", THEN - DAY)
    assert differences(mapped, TENANT, THEN) == []
    [line] = differences(mapped, TENANT, THEN - 2 * DAY)
    assert (line.source, line.account, line.billed, line.known) == ("nothing", "self", Decimal(0), Decimal(-5))


def test_what_was_told_of_a_counter_that_is_gone_is_listed_for_each_account(
    mapped: psycopg.Connection[Any],
) -> None:
    told(mapped, "4", THEN - DAY)
    told(mapped, "1", THEN - DAY, account="acct_2")
    told(mapped, "9", THEN - DAY, seq=2, state="refused")
    lines = differences(mapped, TENANT, THEN)
    assert [(line.account, line.billed, line.known, line.difference) for line in lines] == [
        ("acct_2", Decimal(1), Decimal(0), Decimal(-1)),
        ("self", Decimal(4), Decimal(0), Decimal(-4)),
    ]


def test_an_unmapped_metric_is_not_billed_which_is_not_zero(
    database: psycopg.Connection[Any], ledger: Ledger, built_database_url: str, tmp_path: Path
) -> None:
    land(database, [usage("a", "5", THEN - DAY)])
    ledger.tick()
    [line] = differences(database, TENANT, THEN, Selection("globex"))
    assert (line.billed, line.difference, line.known) == (None, None, Decimal(5))
    assert [reason.cause for reason in line.reasons] == ["unmapped"]
    environment = {"DATABASE_URL": built_database_url, "TALLY_HOME": str(tmp_path), "TALLY_CLOCK": "simulated"}

    def run(*arguments: str) -> str:
        done = run_tally(environment, "counters", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "not billed" in run("diff", "--as-of", f"{NOW:%Y-%m-%d}")
    [told_to_programs] = json.loads(run("diff", "--as-of", "2024-01-11T00:00Z", "--json"))
    assert (told_to_programs["billed"], told_to_programs["known"]) == (None, "5")
    [now] = json.loads(run("--metric", "sum", "--month", "2024-01", "--json"))
    [then] = json.loads(run("--as-of", "2024-01-11", "--json"))
    assert now == then
    assert json.loads(run("--as-of", "2024-01-10", "--json")) == []
