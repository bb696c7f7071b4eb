"""What `tally history` and `tally explain` look at: the tenant of `metered_month`, its two months closed."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from metered_month import NOW, declare
from random_month import declare_more

from tally.clock import FixedClock
from tally.database import connect


@pytest.fixture
def database(built_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(built_database_url, autocommit=True) as connection:
        declare(connection)
        declare_more(connection)
        yield connection


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)
