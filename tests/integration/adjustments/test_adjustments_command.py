"""`tally tick` proposes, `tally adjustments` and `tally conflicts` decide: tables for people, JSON for programs."""

import json
import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from metered_month import JANUARY, LATE_AT, Usage, land
from tally_command import run_tally

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def tally(built_database_url: str, tmp_path: Path) -> Run:
    """Runs the command on the test's database, at the time of its simulated clock."""
    environment = {"DATABASE_URL": built_database_url, "TALLY_HOME": str(tmp_path), "TALLY_CLOCK": "simulated"}

    def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = run_tally(environment, *arguments)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


def told(run: Run, *arguments: str) -> Any:
    return json.loads(run(*arguments, "--json").stdout)


def test_late_usage_from_the_tick_to_the_bill_and_back(database: psycopg.Connection[Any], tally: Run) -> None:
    land(database, [Usage("in-time", "sum", JANUARY[0], JANUARY[0], Decimal(10))])
    land(database, [Usage(f"late-{number}", "sum", JANUARY[0], LATE_AT, Decimal("2.5")) for number in range(3)])
    assert "late: 3 events -> 1 pending adjustment\n" in tally("tick").stdout
    assert told(tally, "tick")["late"] == []
    [listed] = told(tally, "adjustments", "list", "--state", "pending", "--customer", "globex", "--metric", "sum")
    assert (listed["amount"], listed["reason"], listed["created_by"]) == ("7.5", "late_events", "tally")
    shown = told(tally, "adjustments", "show", listed["adjustment_id"])
    assert [event["idempotency_key"] for event in shown["events"]] == ["late-0", "late-1", "late-2"]
    dry = tally("adjustments", "approve", listed["adjustment_id"], "--by", "ada", "--dry-run").stdout
    assert "dry run: nothing written" in dry
    assert "counter: 0 -> 7.5" in dry
    approved = told(tally, "adjustments", "approve", listed["adjustment_id"], "--by", "ada")
    assert (approved["before"], approved["after"]) == ("0", "7.5")
    assert approved["adjustment"]["booked_start"] == "2024-03-01T00:00:00+00:00"
    assert "is approved by ada" in tally("adjustments", "reject", listed["adjustment_id"], code=1).stderr
    reverted = told(
        tally, "adjustments", "revert", listed["adjustment_id"], "--by", "bob", "--note", "[/agreed] by mail"
    )
    assert (reverted["before"], reverted["after"]) == ("7.5", "0.0")
    both = told(tally, "adjustments", "list", "--event", "late-1")
    assert [(row["state"], row["amount"]) for row in both] == [("reverted", "7.5"), ("approved", "-7.5")]
    assert "[/agreed] by mail" in tally("adjustments", "list").stdout
    assert "late-2" in tally("adjustments", "show", both[1]["adjustment_id"]).stdout


def test_a_correction_by_hand(database: psycopg.Connection[Any], tally: Run) -> None:
    database.execute("insert into tally.customers values ('acme', 'globex')")
    create = "adjustments create --customer globex --metric sum --reason goodwill --note sorry --period {} --amount {}"
    asked = create.format("2024-02-29", "-3.25").split()
    assert told(tally, *asked, "--by", "ada", "--dry-run")["adjustment"]["amount"] == "-3.25"
    assert told(tally, "adjustments", "list") == []
    made = told(tally, *asked)["adjustment"]
    assert (made["period_start"], made["state"]) == ("2024-02-01T00:00:00+00:00", "pending")
    assert made["created_by"] != "tally"
    assert "amount: 'three' is not a number" in tally(*create.format("2024-02-29", "three").split(), code=1).stderr
    assert "neither a day nor a moment" in tally(*create.format("February", "3").split(), code=1).stderr
    nobody = "00000000-0000-0000-0000-000000000000"
    assert "has no adjustment" in tally("adjustments", "show", nobody, code=1).stderr


def test_a_conflict_of_a_closed_month(database: psycopg.Connection[Any], tally: Run) -> None:
    for quantity in (4, 9):
        land(database, [Usage("k[1]", "sum", JANUARY[0], JANUARY[0], Decimal(quantity))])
    land(database, [Usage("k2", "sum", JANUARY[0], JANUARY[0]), Usage("k2", "max", JANUARY[0], JANUARY[0])])
    tally("tick")
    assert {row["idempotency_key"] for row in told(tally, "conflicts", "list", "--open")} == {"k[1]", "k2"}
    shown = tally("conflicts", "show", "k[1]").stdout
    assert "* 9" in shown
    assert "* 4" not in shown
    assert told(tally, "conflicts", "show", "k2")[1]["differs_in"] == ["metric"]
    decide = ("conflicts", "replace", "k[1]", "--note", "9 is right", "--by", "ada")
    assert "dry run: nothing written" in tally(*decide, "--dry-run").stdout
    assert told(tally, "adjustments", "list") == []
    decided = told(tally, *decide)
    assert (decided["delivery"], decided["amount"], decided["counter_value"]) == (2, "5", "5")
    tally("conflicts", "keep-first", "k2", "--note", "a retry bug", "--by", "ada")
    assert told(tally, "conflicts", "list", "--open") == []
    assert "ada decided at" in tally("conflicts", "keep-first", "k[1]", "--note", "", code=1).stderr
