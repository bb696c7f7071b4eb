"""One world for all of the exporter's tests, which only read it."""

from collections.abc import Iterator
from pathlib import Path

import metered_world
import psycopg
import pytest
from built_ledger import built_ledger
from cloned_database import Clone
from stripe_side import local_stripe

from tally.database import connect
from tally.settings import Settings


@pytest.fixture(scope="module")
def world(
    clone: Clone, built_template: str, dbt_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """Settings that lead to the metered world."""
    folder, name = tmp_path_factory.mktemp("metrics"), "metered_world"
    url = clone(built_template, name)
    with local_stripe(folder) as stripe, connect(url, autocommit=True) as connection:
        yield metered_world.make(connection, stripe, built_ledger(url, dbt_folder), folder)


@pytest.fixture
def database(world: Settings) -> Iterator[psycopg.Connection]:
    """An autocommit connection to it."""
    assert world.database_url is not None
    with connect(world.database_url.get_secret_value(), autocommit=True) as opened:
        yield opened
