"""Where the database is, and connections to it."""

import psycopg

from tally.embedded_postgres import EmbeddedPostgres
from tally.errors import DatabaseUnavailable
from tally.settings import Settings


def database_url(settings: Settings) -> str:
    """The given database's URL, or the embedded one's, which is started when it is not running."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return embedded(settings).ensure_running()


def embedded(settings: Settings) -> EmbeddedPostgres:
    """The embedded server of these settings; nothing is started."""
    return EmbeddedPostgres(settings.home / "postgres")


def connect(url: str, *, autocommit: bool = False) -> psycopg.Connection:
    """A connection in UTC.

    Raises:
        DatabaseUnavailable: naming the server, never the password.
    """
    try:
        return psycopg.connect(url, autocommit=autocommit, options="-c timezone=UTC", connect_timeout=10)
    except psycopg.OperationalError as error:
        parts = psycopg.conninfo.conninfo_to_dict(url)
        place = f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"
        raise DatabaseUnavailable(f"Postgres at {place} does not answer: {error}") from None
