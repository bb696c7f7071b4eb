"""The stage: all that `tally up` runs, on a Postgres, a local Stripe and ports of its own, under a supervisor."""

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from tally import api_keys, configuration, migrations
from tally.billed_accounts import billed_accounts
from tally.clock import clock_for
from tally.database import connect, database_url, embedded
from tally.embedded_postgres import EmbeddedPostgres
from tally.services import Service, python_module
from tally.settings import Settings, load_settings
from tally.stack import sandbox_service, services, stack_environment
from tally.stripe.account import open_account
from tally.stripe.sync import sync_subscriptions
from tests.chaos.billed_customers import StripeSide, create_stripe_side
from tests.chaos.cast import CONFIGURATION, TENANT
from tests.chaos.record import Book
from tests.chaos.supervisor import Supervisor

LOAD = "load"
# Small enough that a day has many pushes, that a lock of some seconds fills the queue, and that silence is soon
# noticed: Dagster's sensor of alerts looks once a minute.
PACE = {
    "TALLY_PUSH_SECONDS": "5",
    "TALLY_MAX_QUEUED_EVENTS": "400",
    "TALLY_STRIPE_TIMEOUT_SECONDS": "3",
    "TALLY_ALERT_SILENCE_SECONDS": "75",
    "TALLY_ALERT_REFUSAL_SECONDS": "30",
}


@dataclass(frozen=True)
class Stage:
    """Everything that a fault may break and a look may need."""

    settings: Settings
    folder: Path
    postgres: EmbeddedPostgres
    stripe: StripeSide
    supervisor: Supervisor
    book: Book

    def connect(self) -> psycopg.Connection:
        """An autocommit connection.

        Raises:
            DatabaseUnavailable: Postgres is away, which it may well be.
        """
        return connect(self.postgres.url(), autocommit=True)


@contextmanager
def staged(folder: Path, seed: int, events_per_second: float) -> Iterator[Stage]:
    """Build everything from nothing under `folder` and start the load; all of it ends with the block."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    settings = _settings(folder)
    postgres = embedded(settings)
    try:
        with connect(database_url(settings), autocommit=True) as connection:
            migrations.migrate(connection)
            key = _configured(connection, folder)
            environment = stack_environment(settings)
            os.environ.update(environment)
            load_settings.cache_clear()
            with Supervisor(folder / "home" / "logs", {"TALLY_KEY": key}) as supervisor:
                supervisor.keep(sandbox_service(settings, settings.home / "stripe_sandbox.sqlite"))
                side = create_stripe_side(load_settings())
                _sync(connection)
                supervisor.keep(*(each for each in services(settings) if each.name != "stripe-sandbox"))
                book = Book(folder / "record.jsonl")
                book.path.touch()
                supervisor.start(_load(settings, book.path, seed, events_per_second))
                yield Stage(load_settings(), folder, postgres, side, supervisor, book)
                side.control.close()
    finally:
        postgres.stop()


def _settings(folder: Path) -> Settings:
    """From here on this process and its children know nothing of the user's own stack."""
    for name in [name for name in os.environ if name.startswith(("TALLY_", "STRIPE_", "DATABASE_", "DAGSTER_"))]:
        del os.environ[name]
    ports = {f"TALLY_{name}_PORT": str(_free_port()) for name in ("DOOR", "DAGSTER", "METRICS", "PAGES", "SANDBOX")}
    given = {
        "TALLY_HOME": str(folder / "home"),
        "TALLY_MONTHS": f"{datetime.now(UTC):%Y-%m}",
        "TALLY_ALERT_DOOR_URL": f"http://127.0.0.1:{ports['TALLY_DOOR_PORT']}",
    }
    os.environ.update(PACE | ports | given)
    load_settings.cache_clear()
    return load_settings()


def _configured(connection: psycopg.Connection, folder: Path) -> str:
    path = folder / "tally.yaml"
    path.write_text(CONFIGURATION)
    configuration.apply(connection, configuration.load_configuration(path))
    return api_keys.create_key(connection, TENANT, "chaos", scopes=("events:write",))


def _sync(connection: psycopg.Connection) -> None:
    """The customers subscribed before their first event, so no event waits for a period."""
    settings = load_settings()
    for tenant, name in billed_accounts(connection):
        account = open_account(settings, name)
        try:
            sync_subscriptions(connection, account, tenant, clock_for(settings, connection))
        finally:
            account.close()


def _load(settings: Settings, record: Path, seed: int, events_per_second: float) -> Service:
    door = f"http://{settings.door_host}:{settings.door_port}"
    given = ("--door", door, "--record", str(record), "--seed", str(seed))
    return Service(LOAD, python_module("tests.chaos.load", *given, "--events-per-second", str(events_per_second)))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
