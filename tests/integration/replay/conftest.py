"""A ledger over a database of the test's own, and replays of it."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "ledger"))
from landing import declare

from tally.clock import FixedClock
from tally.database import connect
from tally.ledger import Ledger
from tally.replay import Replays

# In January 2013, the month that most deliveries of `landing` fall in.
NOW = datetime(2013, 1, 20, tzinfo=UTC)


@pytest.fixture
def database(built_database_url: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to a built database with the tenant `newark`, its meters, and the clock at NOW."""
    with connect(built_database_url, autocommit=True) as connection:
        declare(connection)
        connection.execute("insert into tally.simulated_clock (now) values (%s)", (NOW,))
        yield connection


@pytest.fixture
def replays(built_database_url: str, ledger: Ledger) -> Replays:
    """Replays of the test's database, one customer a chunk."""
    return Replays(built_database_url, FixedClock(NOW), ledger.tick, deliveries_a_chunk=1)
