"""A real door on a free port, in front of this test's own database."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import psycopg
import pytest
from door_caller import METERS, Caller, running_door

from tally.api_keys import create_key
from tally.database import database_url as url_of
from tally.settings import Settings

_METER = "insert into tally.meters (tenant_id, metric, aggregation) values (%s, %s, %s)"


@pytest.fixture
def tenant(connection: psycopg.Connection) -> str:
    """Tenant acme with its meters, and a tenant beside it."""
    connection.execute("insert into tally.tenants (tenant_id, name) values ('acme', 'Acme'), ('other', 'Other')")
    for metric, aggregation in METERS.items():
        connection.execute(_METER, ("acme", metric, aggregation))
    connection.execute(_METER, ("other", "secret", "sum"))
    return "acme"


@pytest.fixture
def key(connection: psycopg.Connection, tenant: str) -> str:
    """A key of acme that may write events."""
    return create_key(connection, tenant, "test")


@pytest.fixture
def call(settings: Settings, connection: psycopg.Connection, key: str) -> Iterator[Callable[..., Caller]]:
    """Starts a door with some settings changed, by environment name, and gives a caller of it."""
    with ExitStack() as stack:

        def start(**changed: Any) -> Caller:
            given = {"DATABASE_URL": url_of(settings), "TALLY_HOME": settings.home, "TALLY_DOOR_PORT": 0}
            url = stack.enter_context(running_door(Settings.model_validate({**given, **changed})))
            headers = {"authorization": f"Bearer {key}"}
            client = stack.enter_context(httpx.Client(base_url=url, headers=headers, timeout=30))
            return Caller(client, connection)

        yield start


@pytest.fixture
def door(call: Callable[..., Caller]) -> Caller:
    """A caller of a door with the settings as they come."""
    return call()
