"""A ledger over a database of the test's own, and a hand that lands deliveries in it."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from landing import declare

from tally.database import connect
from tally.ledger import Ledger


@pytest.fixture(scope="session")
def dbt_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where dbt keeps its parse state in these tests."""
    return tmp_path_factory.mktemp("ledger")


@pytest.fixture
def database(built_database_url: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to a built database with the tenant `newark` and its five meters declared."""
    with connect(built_database_url, autocommit=True) as connection:
        declare(connection)
        yield connection


@pytest.fixture
def ledger(built_database_url: str, dbt_folder: Path) -> Ledger:
    """The ledger of the test's database."""
    return Ledger(built_database_url, dbt_folder)
