"""A built ledger with the tenant of `metered_month`, and a clock that a test moves."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from metered_month import declare

from tally.clock import FixedClock
from tally.database import connect


@pytest.fixture
def database(built_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(built_database_url, autocommit=True) as connection:
        declare(connection)
        yield connection


@pytest.fixture
def clock() -> FixedClock:
    """20 January 2024: its month is open."""
    return FixedClock(datetime(2024, 1, 20, tzinfo=UTC))
