"""One database with every model in it, the roles applied, and a login for each role, as docs/security.md makes them."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from tally import roles
from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres

LOGINS = {"tally_door": "door", "tally_loop": "loop", "tally_dagster": "dagster", "tally_reader": "reader",
          "tally_admin": "admin"}  # fmt: skip


@pytest.fixture(scope="module")
def owner(postgres: EmbeddedPostgres, built_template: str) -> Iterator[psycopg.Connection[Any]]:
    """A superuser's autocommit connection to the module's database, whose roles are applied."""
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute(f"create database with_roles template {built_template} strategy file_copy")
    with connect(postgres.url("with_roles"), autocommit=True) as connection:
        roles.apply(connection)
        for role, login in LOGINS.items():
            connection.execute(f"create role {login} login password 'secret' in role {role}".encode())
            connection.execute(f"alter role {login} set role {role}".encode())
        connection.execute("insert into tally.tenants (tenant_id, name) values ('acme', 'Acme'), ('other', 'Other')")
        connection.execute(
            "insert into tally.meters (tenant_id, metric, aggregation)"
            " values ('acme', 'calls', 'sum'), ('other', 'calls', 'sum')"
        )
        yield connection
        connection.execute("select pg_advisory_unlock_all()")
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute("drop database with_roles with (force)")
        for login in LOGINS.values():
            admin.execute(f"drop role {login}".encode())


@pytest.fixture
def url_of(postgres: EmbeddedPostgres, owner: psycopg.Connection[Any]) -> Callable[[str], str]:
    """The URL of the module's database for the login of a role."""

    def url(role: str) -> str:
        parts = urlsplit(postgres.url("with_roles"))
        return urlunsplit(parts._replace(netloc=f"{LOGINS[role]}:secret@{parts.hostname}:{parts.port}"))

    return url
