"""The demo's own corner: a database beside the user's, a folder, a simulated clock, the local Stripe's test key.

`make demo` never touches the user's own data: it works in a database named after theirs with `_demo` behind it.
"""

from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tally.database import connect, database_url
from tally.errors import DatabaseUnavailable
from tally.settings import Settings

TEST_KEY = "sk_test_local_demo"  # the local Stripe takes any key; this one opens nothing anywhere else


def demo_url(url: str) -> str:
    """The URL of the demo's database, on the same server as `url`."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/') or '/tally'}_demo"))


def demo_environment(settings: Settings) -> dict[str, str]:
    """The variables under which every command works on the demo instead of the user's own stack."""
    return {
        "DATABASE_URL": demo_url(database_url(settings)),
        "TALLY_HOME": str(demo_home(settings)),
        "TALLY_CLOCK": "simulated",
        "TALLY_MONTHS": "2013-01..2013-03",
        "STRIPE_API_KEY": TEST_KEY,
        "STRIPE_API_BASE": f"http://127.0.0.1:{settings.sandbox_port}",
    }


def demo_home(settings: Settings) -> Path:
    """The demo's folder: the local Stripe's state, logs, reports, Dagster's home."""
    return (settings.home / "demo").resolve()


def recreate_demo_database(settings: Settings) -> str:
    """Drop the demo's database if it is there, make it anew; returns its URL.

    Raises:
        DatabaseUnavailable: the given role may not create databases.
    """
    url = database_url(settings)
    name = sql.Identifier(urlsplit(demo_url(url)).path.lstrip("/"))
    with connect(url, autocommit=True) as connection:
        try:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(name))
            connection.execute(sql.SQL("create database {}").format(name))
        except psycopg.errors.InsufficientPrivilege:
            raise DatabaseUnavailable(
                "the demo works in a database of its own and this role may not create one: "
                "alter role … createdb, or unset DATABASE_URL to use the embedded Postgres"
            ) from None
    return demo_url(url)


def demo_exists(settings: Settings) -> bool:
    """Whether a demo was run here before."""
    name = urlsplit(demo_url(database_url(settings))).path.lstrip("/")
    with connect(database_url(settings), autocommit=True) as connection:
        return connection.execute("select from pg_database where datname = %s", (name,)).fetchone() is not None
