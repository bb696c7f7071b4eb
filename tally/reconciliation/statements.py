"""The reconciliation's SQL, kept as files so that it reads as SQL."""

from functools import cache
from importlib.resources import files
from typing import Any, LiteralString

import psycopg

# The lines join both tables. Rows that came since the last statistics are unknown to the planner, which then asks a
# table per line: minutes for 10,000 of them instead of a second.
_MANY = 1000


@cache
def statement(name: str) -> LiteralString:
    """The named file of `sql/`: ours, so as literal as a string in the source."""
    return (files(__package__) / "sql" / name).read_text()


def note_growth(connection: psycopg.Connection[Any], table: LiteralString, rows: int) -> None:
    """Renew the statistics of `table` after so many rows were written to it at once."""
    if rows >= _MANY:
        connection.execute(f"analyze {table}")
