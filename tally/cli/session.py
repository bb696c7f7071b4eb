"""What most commands begin with: settings, a connection to a current schema, and the tenant meant."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from tally.database import connect, database_url
from tally.errors import TallyError
from tally.migrations import require_current
from tally.settings import load_settings


@contextmanager
def opened() -> Iterator[psycopg.Connection]:
    """An autocommit connection to the settings' database, whose schema is this version's."""
    with connect(database_url(load_settings()), autocommit=True) as connection:
        require_current(connection)
        yield connection


def tenant_meant(connection: psycopg.Connection, tenant: str | None) -> str:
    """The named tenant, or the only one.

    Raises:
        TallyError: there is no such tenant, none at all, or several and none was named.
    """
    known = [row[0] for row in connection.execute("select tenant_id from tally.tenants order by tenant_id")]
    if not known:
        raise TallyError("no tenant is declared yet: write a configuration file and run `tally apply FILE`")
    if tenant is None and len(known) > 1:
        raise TallyError(f"several tenants are declared: add --tenant {' | '.join(known)}")
    if tenant is not None and tenant not in known:
        raise TallyError(f"no tenant {tenant!r}; declared: {', '.join(known)}")
    return tenant or known[0]
