"""A ledger over a database of the test's own, and a hand that lands deliveries in it."""

from collections.abc import Iterator

import psycopg
import pytest
from landing import declare

from tally.database import connect


@pytest.fixture
def database(built_database_url: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to a built database with the tenant `newark` and its five meters declared."""
    with connect(built_database_url, autocommit=True) as connection:
        declare(connection)
        yield connection
