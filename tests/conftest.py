"""One real Postgres per test process, and a fresh database per test, cloned from a migrated template."""

import gc
import os
import socket
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from cloned_database import Clone
from contract_key import contract_key, what_was_compared

from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres
from tally.ledger import Ledger
from tally.ledger.ledger import views_are_current_in
from tally.migrations import migrate
from tally.settings import Settings

_numbers = count(1)
# The console takes its width when it is imported, by whichever test comes first: no table is wrapped.
os.environ["COLUMNS"] = "240"
# Durability is what the product tests kill -9 for, on servers of their own; here it would only cost time.
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "128MB"}


def pytest_configure() -> None:
    """A live key stops the run before it begins."""
    contract_key()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Nobody shall think that Stripe was compared when it was not."""
    terminalreporter.write_line(what_was_compared())


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kill-seeds", type=int, default=2, help="seeds of each test that kills a process under load")


def pytest_collection_finish() -> None:
    """What is imported stays: a collection that walks it again and again took an eighth of the suite's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """The test process's own server."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), _FAST)
    server.ensure_running()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def template_database(postgres: EmbeddedPostgres) -> str:
    """The name of a database with the migrated schema and nothing in it."""
    name = "template_migrated"
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute(f"create database {name}")
    with connect(postgres.url(name), autocommit=True) as connection:
        migrate(connection)
    return name


@pytest.fixture(scope="session")
def clone(postgres: EmbeddedPostgres) -> Clone:
    """Makes databases that tests share."""

    def cloned(template: str, name: str) -> str:
        with connect(postgres.url("postgres"), autocommit=True) as admin:
            admin.execute(f"drop database if exists {name} with (force)")  # another module's, of the same fixture
            admin.execute(f"create database {name} template {template} strategy file_copy")
        return postgres.url(name)

    return cloned


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, template_database: str) -> Iterator[str]:
    """The URL of this test's own database."""
    name = f"test_{next(_numbers)}"
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute(f"create database {name} template {template_database} strategy file_copy")
    yield postgres.url(name)
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def built_template(postgres: EmbeddedPostgres, template_database: str, dbt_folder: Path) -> str:
    """The name of a database in which every dbt model was built, over nothing."""
    name = "template_built"
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute(f"create database {name} template {template_database} strategy file_copy")
    Ledger(postgres.url(name), dbt_folder).tick()
    return name


@pytest.fixture
def built_database_url(postgres: EmbeddedPostgres, built_template: str) -> Iterator[str]:
    """The URL of this test's own database with every dbt model in it, empty. `Ledger(url, folder)` ticks it."""
    name = f"built_{next(_numbers)}"
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute(f"create database {name} template {built_template} strategy file_copy")
    url = postgres.url(name)
    views_are_current_in.add(url)  # the template's are: a first tick that makes them anew takes a second and a half
    yield url
    views_are_current_in.discard(url)
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def dbt_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where dbt keeps its parse state in this process; its parent is a TALLY_HOME where nothing is parsed twice."""
    folder = tmp_path_factory.mktemp("home") / "dbt"
    folder.mkdir()
    return folder


@pytest.fixture
def ledger(built_database_url: str, dbt_folder: Path) -> Ledger:
    """The ledger of `built_database_url`."""
    return Ledger(built_database_url, dbt_folder)


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to this test's database."""
    with connect(database_url, autocommit=True) as opened:
        yield opened


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings that point at this test's database and a folder of its own."""
    return Settings.model_validate({"DATABASE_URL": database_url, "TALLY_HOME": tmp_path})


@pytest.fixture
def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
