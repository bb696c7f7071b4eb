"""A connection to Postgres that is made when it is needed, and made anew after it was lost."""

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Any, Literal

import asyncpg  # type: ignore[import-untyped]

from ingest.trace_links import TraceLink, copy_linked

CONNECT_SECONDS = 5
READ_SECONDS = 5
COMMIT_SECONDS = 20
RECONNECT_PAUSE_SECONDS = 0.5
Landed = Literal["nothing", "unknown"]

# A server whose default is "off" would lose acknowledged events in a crash; any other value flushes before it answers.
_DURABLE = "select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'"
_OF_TENANT = "select set_config('tally.tenant_id', $1, false)"
_HUNG_UP = (asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.PostgresConnectionError, ConnectionError)
_SILENT = (*_HUNG_UP, OSError, TimeoutError)
_BAD_ROWS = ("22", "23")
_GOING_DOWN = ("08", "57P")


class DatabaseLost(Exception):
    """Postgres does not answer. `landed` says what is known of the rows that were on their way."""

    def __init__(self, landed: Landed, cause: str) -> None:
        super().__init__(cause)
        self.landed: Landed = landed
        self.cause = cause


class RowsRefused(Exception):
    """Postgres refused the rows themselves; nothing of this COPY landed."""


class Link:
    """One connection, for one statement at a time."""

    def __init__(self, url: str, role: str) -> None:
        self._url = url
        self._role = role
        self._connection: asyncpg.Connection | None = None
        self._lock = asyncio.Lock()
        self._not_before = 0.0

    async def fetch(self, sql: str, *arguments: object, tenant_id: str | None = None) -> Sequence[Any]:
        """The rows of a statement that may safely run twice; a connection lost while idle is made anew unseen.

        `tenant_id` is whose rows the views in schema `door` show it.

        Raises:
            DatabaseLost: Postgres does not answer, or answers with an error of its own.
        """
        async with self._lock:
            connection = await self._connected()
            try:
                return await self._rows(connection, sql, arguments, tenant_id)
            except _HUNG_UP:
                self._drop()
            connection = await self._connected()
            try:
                return await self._rows(connection, sql, arguments, tenant_id)
            except _HUNG_UP as error:
                raise self._lost("nothing", error) from None

    async def _rows(
        self, connection: asyncpg.Connection, sql: str, arguments: Sequence[object], tenant_id: str | None
    ) -> Sequence[Any]:
        try:
            if tenant_id is not None:
                await connection.execute(_OF_TENANT, tenant_id, timeout=READ_SECONDS)
            rows: Sequence[Any] = await connection.fetch(sql, *arguments, timeout=READ_SECONDS)
        except _HUNG_UP:
            raise
        except (TimeoutError, asyncpg.PostgresError) as error:
            raise self._lost("nothing", error) from None
        return rows

    async def copy(self, columns: Sequence[str], lines: bytes, links: Sequence[TraceLink] = ()) -> None:
        """Land COPY text lines in raw.usage_events, in one transaction of their own, committed on return.

        `links` go into the same transaction, if Postgres takes them; it is committed without them otherwise.

        Raises:
            RowsRefused: the rows are not what the table takes; nothing landed.
            DatabaseLost: `landed` is "nothing" when Postgres said no, "unknown" when it fell silent.
        """
        async with self._lock:
            connection = await self._connected()
            try:
                if links:
                    await copy_linked(connection, columns, lines, links, COMMIT_SECONDS)
                else:
                    await connection.copy_to_table(
                        "usage_events", schema_name="raw", columns=columns, source=memoryview(lines),
                        timeout=COMMIT_SECONDS,
                    )  # fmt: skip
            except _SILENT as error:
                raise self._lost("unknown", error) from None
            except asyncpg.PostgresError as error:
                state = error.sqlstate or ""
                if state.startswith(_BAD_ROWS):
                    if links:
                        self._drop()  # with the transaction that was begun for them
                    raise RowsRefused(f"{type(error).__name__}, SQLSTATE {state}") from None
                # A server going down may have committed first. Every other error rolled back.
                raise self._lost("unknown" if state.startswith(_GOING_DOWN) else "nothing", error) from None

    async def close(self) -> None:
        """Close the connection, if there is one."""
        async with self._lock:
            self._drop()

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        if monotonic() < self._not_before:
            raise DatabaseLost("nothing", "it did not answer a moment ago")
        try:
            self._connection = await asyncpg.connect(
                self._url,
                timeout=CONNECT_SECONDS,
                server_settings={"application_name": f"tallyledger door: {self._role}", "timezone": "UTC"},
            )
            await self._connection.execute(_DURABLE, timeout=READ_SECONDS)
        except (*_SILENT, asyncpg.PostgresError) as error:
            self._not_before = monotonic() + RECONNECT_PAUSE_SECONDS
            raise self._lost("nothing", error) from None
        return self._connection

    def _lost(self, landed: Landed, error: BaseException) -> DatabaseLost:
        self._drop()
        return DatabaseLost(landed, f"{type(error).__name__}: {error}")

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
