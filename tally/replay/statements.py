"""Running this package's SQL files, which hold several statements each."""

from typing import Any

import psycopg
from psycopg import ClientCursor

from tally.adjustments.ledger_rules import statement


def run(connection: psycopg.Connection[Any], name: str, parameters: dict[str, Any]) -> int:
    """Run `sql/<name>`; returns how many rows its last statement wrote."""
    return run_text(connection, statement(__package__, name), parameters)


def run_text(connection: psycopg.Connection[Any], text: str, parameters: dict[str, Any] | None = None) -> int:
    """Run statements of our own making; values are bound on this side, since the protocol binds one statement's."""
    with ClientCursor(connection) as cursor:
        cursor.execute(text.encode(), parameters)
        while cursor.nextset():
            pass
        return cursor.rowcount
