"""An environment as `tally up` gives it to Dagster's processes, with a database and a Stripe of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from orchestration import METRIC, NOW, START, Stack, declare
from stripe_side import TEST_KEY, StripeSide, local_stripe

from dagster_project.materialize import Materializer
from tally import dagster_home
from tally.database import connect
from tally.settings import Settings, load_settings


@pytest.fixture
def built_connection(built_database_url: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to a database with every model in it and the tenant declared."""
    with connect(built_database_url, autocommit=True) as connection:
        declare(connection)
        yield connection


@pytest.fixture
def environment(
    built_database_url: str,
    built_connection: psycopg.Connection,
    dbt_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[pytest.MonkeyPatch]:
    """This process's environment leads to the test's database; there is no Stripe."""
    (tmp_path / "dbt").symlink_to(dbt_folder)
    settings = Settings.model_validate({"DATABASE_URL": built_database_url, "TALLY_HOME": tmp_path})
    variables = dagster_home.prepare(settings, built_database_url) | {"TALLY_CLOCK": "simulated"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("STRIPE_API_KEY", raising=False)
    load_settings.cache_clear()
    yield monkeypatch
    load_settings.cache_clear()


@pytest.fixture
def stripe_side(tmp_path: Path) -> Iterator[StripeSide]:
    with local_stripe(tmp_path) as side:
        yield side


@pytest.fixture
def stack(
    environment: pytest.MonkeyPatch,
    built_database_url: str,
    built_connection: psycopg.Connection,
    stripe_side: StripeSide,
    tmp_path: Path,
) -> Stack:
    """Two subscribed customers in March 2024; nothing landed yet."""
    test_clock = stripe_side.test_clock(START)
    stripe_side.meter(METRIC)
    customers = {ref: stripe_side.customer(ref, test_clock) for ref in ("globex", "initech")}
    for customer in customers.values():
        stripe_side.subscribe(customer, METRIC)
    stripe_side.advance(test_clock, NOW)
    environment.setenv("STRIPE_API_KEY", TEST_KEY)
    environment.setenv("STRIPE_API_BASE", stripe_side.url)
    load_settings.cache_clear()
    return Stack(built_database_url, tmp_path, built_connection, stripe_side, customers)


@pytest.fixture
def materializer(environment: pytest.MonkeyPatch) -> Iterator[Materializer]:
    """Runs jobs on an instance in memory, which saves a second a test; one test has the instance of DAGSTER_HOME."""
    with dg.DagsterInstance.ephemeral() as instance, Materializer(instance) as opened:
        yield opened
