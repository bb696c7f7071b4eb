"""A second, empty server to restore into."""

from collections.abc import Iterator
from itertools import count

import pytest

from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres

_numbers = count(1)


@pytest.fixture(scope="session")
def second_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """Another cluster, whose transaction ids are not the first one's."""
    options = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "64MB"}
    server = EmbeddedPostgres(tmp_path_factory.mktemp("second"), options)
    server.ensure_running()
    yield server
    server.stop()


@pytest.fixture
def empty_url(second_server: EmbeddedPostgres) -> Iterator[str]:
    """The URL of a new, empty database of the second server."""
    name = f"restored_{next(_numbers)}"
    with connect(second_server.url("postgres"), autocommit=True) as admin:
        admin.execute(f"create database {name}")
    yield second_server.url(name)
    with connect(second_server.url("postgres"), autocommit=True) as admin:
        admin.execute(f"drop database {name} with (force)")
