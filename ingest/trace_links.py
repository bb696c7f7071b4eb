"""What goes into a commit beside the rows of a traced request, for the tick to go on with its trace."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import asyncpg  # type: ignore[import-untyped]

from ingest.logs import log

# Of the traced requests that share a commit so many are followed to the tick, each by so many of its events.
MOST_A_COMMIT: Final = 5
MOST_KEYS: Final = 20

_INSERT: Final = "insert into tally.trace_links (tenant_id, traceparent, idempotency_keys) values ($1, $2, $3)"


class TraceLink(NamedTuple):
    """A traced request: its span as W3C traceparent, and the keys of the first events that it lands."""

    tenant_id: str
    traceparent: str
    idempotency_keys: list[str]


async def copy_linked(
    connection: asyncpg.Connection, columns: Sequence[str], lines: bytes, links: Sequence[TraceLink], seconds: float
) -> None:
    """COPY rows and insert their links in one transaction; links that Postgres refuses are left out, rows never.

    `seconds` bounds each step. An error leaves the transaction open: the connection is of no more use.
    """

    async def run(statement: str) -> Any:
        return await connection.execute(statement, timeout=seconds)

    await run("begin")
    await connection.copy_to_table(
        "usage_events", schema_name="raw", columns=columns, source=memoryview(lines), timeout=seconds
    )
    await run("savepoint links")
    try:
        await connection.executemany(_INSERT, links, timeout=seconds)
    except asyncpg.PostgresError as refused:
        log.debug("traces_not_linked", cause=type(refused).__name__)
        await run("rollback to savepoint links")
    await run("commit")
