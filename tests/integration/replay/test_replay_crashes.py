"""kill -9 in a replay: what it was to change is as before or whole, and a shown one goes on where it was."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from landing import LEDGER_TABLES, Delivery, contents, land

from tally.database import connect
from tally.ledger import Ledger
from tally.replay import Replays, Request

CUSTOMERS = ("AA", "DL", "UA")
METRICS = ("sum", "unique", "time_weighted_sum")


@contextmanager
def replaying(url: str, command: str) -> Iterator[subprocess.Popen[str]]:
    """The replay in a process of its own, killed at the end of the block if it still runs."""
    script = str(Path(__file__).with_name("replaying.py"))
    with subprocess.Popen([sys.executable, script, url, command], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(30)


@pytest.fixture
def reversed_events(ledger: Ledger, database: psycopg.Connection) -> None:
    """Three customers with two events of each of three metrics, half of them reversed."""
    for metric in METRICS:
        for customer in CUSTOMERS:
            keys = [f"{metric}-{customer}-{number}" for number in (1, 2)]
            land(
                database, [Delivery(key, metric=metric, customer=customer, properties='{"user": "u"}') for key in keys]
            )
    ledger.tick()
    database.execute(
        "insert into tally.event_reversals"
        " select tenant_id, idempotency_key, 'test', now(), 'ann' from raw.usage_events"
        " where idempotency_key like '%-1'"
    )


def waits_for(database: psycopg.Connection, table: str) -> bool:
    row = database.execute(
        "select exists (select from pg_locks where not granted and relation = %s::regclass)", (table,)
    ).fetchone()
    return row == (True,)


@pytest.mark.parametrize(
    "table",
    [
        table if table.endswith(("deduplicated", "counters")) else pytest.param(table, marks=pytest.mark.thorough)
        for table in LEDGER_TABLES
        if not table.endswith(("conflicts", "late"))
    ],
)
def test_killed_while_it_writes_a_table(
    reversed_events: None,
    replays: Replays,
    database: psycopg.Connection,
    built_database_url: str,
    table: str,
) -> None:
    shown = replays.show(Request("newark"), "ann")
    assert len(shown.changes) == 9
    before = contents(database)
    with connect(built_database_url) as lock_holder:
        # Nothing can be written into the table meanwhile, so it stops in the middle of its transaction.
        lock_holder.execute(f"lock table {table} in share mode")
        with replaying(built_database_url, shown.hash):
            until = time.monotonic() + 60
            while not waits_for(database, table):
                assert time.monotonic() < until, "it never came to this table"
                time.sleep(0.02)
    assert contents(database) == before
    assert replays.apply("newark", shown.hash, "ann").state == "applied"
    assert replays.show(Request("newark"), "ann").changes == []


def test_a_killed_dry_run_goes_on_behind_its_last_chunk(
    reversed_events: None, replays: Replays, database: psycopg.Connection, built_database_url: str
) -> None:
    done = "select customer_ref, xmin::text from tally.replay_scope where done order by customer_ref"
    with replaying(built_database_url, "show") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1 3\n"
    until = time.monotonic() + 30
    while (
        left := database.execute("select count(*) from pg_stat_activity where query like '%replay%'").fetchone()
    ) != (1,):
        assert time.monotonic() < until, left
        time.sleep(0.02)
    before = database.execute(done).fetchall()
    assert 1 <= len(before) <= 2
    shown = replays.show(Request("newark"), "ann")
    after = database.execute(done).fetchall()
    assert len(after) == 3
    assert set(before) < set(after), "what was done is not done again"
    assert len(shown.changes) == 9
    assert database.execute("select count(*) from tally.replays").fetchone() == (1,)
