"""kill -9 between models and in the middle of one: what committed is whole, and the next tick makes up the rest."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import psycopg
import pytest
from landing import AGGREGATIONS, JANUARY, LEDGER_TABLES, Delivery, contents, land

from tally.database import connect
from tally.ledger import Ledger

SIGKILLED = -signal.SIGKILL


class Ticker:
    """A process that ticks in forked children; `kill_when` kills one at a chosen moment."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, str(Path(__file__).with_name("forking_ticker.py")), str(folder)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def kill_when(self, moment: Callable[[], bool], url: str) -> int:
        """Start a tick of `url`, kill it once `moment()` holds; returns its exit code, 0 when it was done before."""
        child = int(self._ask(url))
        until = time.monotonic() + 30
        while not moment():
            assert time.monotonic() < until, "the moment to kill at never came"
            time.sleep(0.001)
        os.kill(child, signal.SIGKILL)
        return int(self._ask("reap"))

    def tick(self, url: str) -> None:
        """A whole tick, and before it the one that parses the project: nothing may stand in that one's way."""
        self._ask(url)
        assert self._ask("reap") == "0"

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()

    def _ask(self, line: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@pytest.fixture(scope="module")
def ticker(dbt_folder: Path) -> Iterator[Ticker]:
    ticker = Ticker(dbt_folder)
    yield ticker
    ticker.close()


def deliveries(seed: int) -> list[Delivery]:
    """200 deliveries, some of events that other batches sent too, some in conflict with them, some late."""
    chance = random.Random(seed)
    moments = [JANUARY[0] + timedelta(days=9), JANUARY[1] + timedelta(hours=50)]
    return [
        Delivery(
            f"k{chance.randint(0, 400)}",
            metric=chance.choice(AGGREGATIONS),
            landed_at=chance.choice(moments),
            properties=f'{{"user": {chance.randint(0, 20)}}}',
        )
        for _ in range(200)
    ]


def assert_exact(ledger: Ledger, database: psycopg.Connection) -> None:
    """After one undisturbed tick the ledger is what a rebuild from the landed rows gives, byte for byte."""
    ledger.tick()
    after_crashes = contents(database)
    ledger.refresh()
    assert contents(database) == after_crashes


def test_killed_in_the_middle_of_each_model(
    ticker: Ticker, ledger: Ledger, database: psycopg.Connection, built_database_url: str
) -> None:
    ticker.tick(built_database_url)
    for number, table in enumerate(LEDGER_TABLES):
        land(database, deliveries(number))
        before = database.execute(
            f"select count(*), md5(string_agg(r::text, '' order by r::text)) from {table} as r"
        ).fetchone()
        with connect(built_database_url) as lock_holder:
            # Rows cannot be written into the table meanwhile, so the model stops inside its own transaction.
            lock_holder.execute(f"lock table {table} in share mode")
            assert ticker.kill_when(lambda: is_waiting_to_write(database), built_database_url) == SIGKILLED
        after = database.execute(
            f"select count(*), md5(string_agg(r::text, '' order by r::text)) from {table} as r"
        ).fetchone()
        assert after == before, f"{table}: a killed model left rows behind"
    assert_exact(ledger, database)


def passed(moment: float) -> bool:
    return time.monotonic() > moment


def is_waiting_to_write(database: psycopg.Connection) -> bool:
    """Whether an insert waits for a table's lock."""
    waiting = "select from pg_stat_activity where wait_event = 'relation' and query like '%insert into%'"
    return database.execute(waiting).fetchone() is not None


def test_killed_between_two_models(
    ticker: Ticker, ledger: Ledger, database: psycopg.Connection, built_database_url: str
) -> None:
    ticker.tick(built_database_url)
    land(database, deliveries(0))
    start = moved(database)
    assert ticker.kill_when(lambda: moved(database) > start, built_database_url) == SIGKILLED
    behind = database.execute(
        "select count(*) from tally.model_bounds where read_to < (select max(read_to) from tally.model_bounds)"
    ).fetchone()
    assert behind is not None
    assert behind[0] > 0, "the deduplicated events are ahead of at least one model that reads them"
    assert_exact(ledger, database)


def moved(database: psycopg.Connection) -> int:
    """How far the deduplicated events have read."""
    row = database.execute(
        "select read_to::text::bigint from tally.model_bounds where model = 'ledger.int_usage_events_deduplicated'"
    ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.thorough)])
def test_killed_at_random_moments(
    ticker: Ticker, ledger: Ledger, database: psycopg.Connection, built_database_url: str, seed: int
) -> None:
    ticker.tick(built_database_url)
    chance = random.Random(seed)
    outcomes = []
    for number in range(8):
        land(database, deliveries(100 * seed + number))
        until = time.monotonic() + chance.uniform(0, 0.4)
        outcomes.append(ticker.kill_when(partial(passed, until), built_database_url))
    assert SIGKILLED in outcomes
    assert_exact(ledger, database)
