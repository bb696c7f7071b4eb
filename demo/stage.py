"""The stage the demo plays on: a fresh database, the local Stripe with its subscribers, the door, Dagster's home."""

import importlib
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Generic, Protocol, TypeVar
from urllib.parse import urlsplit

import httpx
import psycopg
import stripe
from rich.console import Console

from tally import api_keys, configuration, dagster_home, migrations
from tally.clock import SimulatedClock
from tally.database import connect
from tally.demo_environment import demo_environment, demo_home, recreate_demo_database
from tally.services import Stack
from tally.settings import Settings, load_settings
from tally.stack import door_service, sandbox_service
from tally.stripe.account import open_account


class OnTestClock(Protocol):
    """What was created in Stripe; all its customers live on one test clock."""

    @property
    def clock_id(self) -> str: ...


Side = TypeVar("Side", bound=OnTestClock)


@dataclass(frozen=True)
class Setting(Generic[Side]):
    """What one demo has and another has not. `grace` is Stripe's, from a period's end to the final invoice."""

    tenant: str
    configuration: Path
    starts_at: datetime
    ends_at: datetime
    grace: timedelta
    key_name: str
    customers: Mapping[str, str]
    create_side: Callable[[stripe.StripeClient], Side]
    in_stripe: str


@dataclass(frozen=True)
class Stage(Generic[Side]):
    """Everything the run needs. `connection` is in autocommit."""

    setting: Setting[Side]
    settings: Settings
    connection: psycopg.Connection
    clock: SimulatedClock
    door_url: str
    api_key: str
    stripe_client: stripe.StripeClient
    stripe_side: Side
    stack: Stack

    @property
    def tenant(self) -> str:
        return self.setting.tenant


@contextmanager
def staged(setting: Setting[Side], console: Console) -> Iterator[Stage[Side]]:
    """Build the stage from nothing, whatever an earlier or interrupted run left; its processes end with the block."""
    importing = Thread(target=_import_what_is_slow)
    importing.start()
    settings = _settings_of_the_demo()
    with connect(_fresh_database(settings, setting, console), autocommit=True) as connection:
        clock = SimulatedClock(connection)
        clock.set(setting.starts_at)
        os.environ.update(dagster_home.prepare(settings, str(connection_url(settings))))
        with Stack(settings.home / "logs", {}) as stack:
            state = settings.home / "stripe_sandbox.sqlite"
            stack.start(sandbox_service(settings, state), door_service(settings), wait_seconds=30)
            importing.join()
            console.print(
                f"  the door listens on {_door_url(settings)}, the local Stripe on {settings.stripe_api_base}"
            )
            client = _billing_client(settings, setting.grace)
            side = setting.create_side(client)
            console.print(f"  Stripe has {setting.in_stripe} on a test clock")
            api_key = _configured(connection, setting)
            yield Stage(setting, settings, connection, clock, _door_url(settings), api_key, client, side, stack)


def connection_url(settings: Settings) -> str:
    """The demo database's URL."""
    assert settings.database_url is not None  # set by demo_environment
    return settings.database_url.get_secret_value()


def _import_what_is_slow() -> None:
    """The run needs them in a moment; until then this process waits for Postgres and the services."""
    for name in ("dagster_dbt", "dbt.cli.main"):
        importlib.import_module(name)


def _settings_of_the_demo() -> Settings:
    """From here on this process and its children work on the demo's database, in the demo's folder."""
    users = load_settings()
    ports = {"TALLY_DOOR_PORT": users.door_port, "TALLY_SANDBOX_PORT": users.sandbox_port}
    os.environ.update({name: str(_free(port)) for name, port in ports.items()})
    load_settings.cache_clear()
    os.environ.update(demo_environment(load_settings()))
    recreate_demo_database(users)
    _clear(demo_home(users))
    load_settings.cache_clear()
    return load_settings()


def _clear(home: Path) -> None:
    """Remove what an earlier demo left, but for dbt's parse state, which is of the project's files alone."""
    home.mkdir(parents=True, exist_ok=True)
    for left in home.iterdir():
        if left.is_file():
            left.unlink(missing_ok=True)
        elif left.name != "dbt":
            shutil.rmtree(left, ignore_errors=True)


def _fresh_database(settings: Settings, setting: Setting[Side], console: Console) -> str:
    url = connection_url(settings)
    with connect(url, autocommit=True) as connection:
        applied = migrations.migrate(connection)
        connection.execute("select tally.ensure_partitions(%s, %s)", (setting.starts_at.date(), setting.ends_at.date()))
        (version,) = connection.execute("show server_version").fetchone() or ("?",)
    name = urlsplit(url).path.lstrip("/")
    console.print(f"  Postgres {version}, database {name} made anew, {len(applied)} migrations applied")
    return url


def _configured(connection: psycopg.Connection, setting: Setting[Side]) -> str:
    configuration.apply(connection, configuration.load_configuration(setting.configuration))
    return api_keys.create_key(connection, setting.tenant, setting.key_name, scopes=("events:write",))


def _billing_client(settings: Settings, grace: timedelta) -> stripe.StripeClient:
    hours = int(grace.total_seconds() // 3600)
    httpx.post(
        f"{settings.stripe_api_base}/_sandbox/settings", json={"finalization_grace_hours": hours}
    ).raise_for_status()
    return open_account(settings).client


def _door_url(settings: Settings) -> str:
    return f"http://{settings.door_host}:{settings.door_port}"


def _free(port: int) -> int:
    """The port, or another one where somebody already listens on it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        chosen: int = probe.getsockname()[1]
    return chosen
