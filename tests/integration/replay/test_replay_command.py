"""`tally replay`: tables for people, JSON for programs, and the commands that it names do work."""

import json
import shlex
import subprocess
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from landing import JANUARY, Delivery, land, value
from tally_command import run_tally

from tally.ledger import Ledger

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


def test_shown_then_applied_by_the_command_that_it_names(
    ledger: Ledger, database: psycopg.Connection, tally: Run
) -> None:
    land(database, [Delivery("a", Decimal(3), metric="bytes"), Delivery("b", Decimal(4), metric="bytes")])
    ledger.tick()
    database.execute("insert into tally.meters (tenant_id, metric, aggregation) values ('newark', 'bytes', 'sum')")
    shown = tally("replay", "--tenant", "newark", "--metric", "bytes", "--by", "ann")
    assert "0 → 2" in shown.stdout
    assert value(database, "bytes") is None
    command = shown.stdout.rpartition("to apply exactly this: ")[2]
    applied = tally(*shlex.split(command)[1:], "--by", "bob")
    assert "by bob" in applied.stdout
    assert value(database, "bytes") == Decimal(7)
    again = json.loads(tally("replay", "--tenant", "newark", "--apply", "--yes", "--json").stdout)
    assert (again["state"], again["changes"]) == ("applied", [])
    assert "goes with --apply alone" in tally("replay", "--hash", "0" * 64, code=2).stderr
    assert "show it first" in tally("replay", "--apply", "--hash", "0" * 64, code=1).stderr


def test_a_closed_counter_is_corrected_by_the_adjustment_that_is_proposed(
    ledger: Ledger, database: psycopg.Connection, tally: Run
) -> None:
    land(database, [Delivery("a", Decimal(3)), Delivery("b", Decimal("4.5"))])
    ledger.tick()
    database.execute("insert into tally.event_reversals values ('newark', 'b', 'test', now(), 'ann')")
    database.execute("update tally.simulated_clock set now = %s", (JANUARY[1] + timedelta(days=5),))
    shown = tally("replay")
    assert "closed, held" in shown.stdout
    (line,) = [line for line in shown.stdout.splitlines() if "tally adjustments create" in line]
    tally(*shlex.split(line)[1:])
    proposed = database.execute("select metric, period_start, amount, state from tally.adjustments").fetchall()
    assert proposed == [("sum", JANUARY[0], Decimal("-4.5"), "pending")]
