"""Reads the parts of a scrape over one kept connection: within a time, and not more often than each part asks for."""

import logging
import math
import os
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any

import psycopg

from tally.errors import DatabaseUnavailable, SchemaError
from tally.metrics.families import Sample
from tally.metrics.readings import READINGS, Reading
from tally.migrations import require_current
from tally.settings import Settings

log = logging.getLogger("tally.metrics")

# Prometheus waits ten seconds by default. All parts together take at most the first; a server that does not even
# answer that it is busy (stopped, cut off) is given up after the second.
READ_SECONDS = 6.0
SCRAPE_SECONDS = 8.0
CONNECT_SECONDS = 3
# Why nothing could be read at all.
_FAILURES = (psycopg.OperationalError, DatabaseUnavailable, SchemaError)


@dataclass(frozen=True)
class Part:
    """One reading's outcome; `samples` is None where it failed. `read_at` is on the monotonic clock."""

    samples: tuple[Sample, ...] | None
    seconds: float
    read_at: float


class Reader:
    """Answers what was read, at most so old as each reading allows; None when the database does not answer.

    `url` is asked before each connection and may raise `DatabaseUnavailable`. Scrapes at once share one reading.
    """

    def __init__(
        self, settings: Settings, url: Callable[[], str], readings: Sequence[Reading] = READINGS,
        scrape_seconds: float = SCRAPE_SECONDS,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._url = url
        self._readings = readings
        self._scrape_seconds = scrape_seconds
        self._connection: psycopg.Connection[Any] | None = None
        self._schema_is_current = False
        self._parts: dict[str, Part] = {}
        self._lock = Lock()
        self._worker = ThreadPoolExecutor(1, "metrics")
        self._running: Future[dict[str, Part] | None] | None = None

    def require_current_schema(self) -> None:
        """Refuse to begin on another version's schema. A database that is down is asked once it answers.

        Raises:
            SchemaError: the message says what to do.
        """
        with suppress(psycopg.OperationalError, DatabaseUnavailable):
            self._connected()

    def read(self) -> dict[str, Part] | None:
        """The parts by name, or None: the database does not answer, not in time, or has another schema."""
        with self._lock:
            if self._running is None or self._running.done():
                self._running = self._worker.submit(self._read)
            running = self._running
        try:
            return running.result(self._scrape_seconds)
        except TimeoutError:
            log.warning("the database has not answered for %s seconds", self._scrape_seconds)
            self._hang_up()
            with self._lock:
                # Its end is of no interest to the next scrape.
                self._running = None if self._running is running else self._running
            return None

    def close(self) -> None:
        """End a reading on its way, and the connection."""
        self._hang_up()
        self._worker.shutdown()
        if self._connection is not None:
            self._connection.close()

    def _hang_up(self) -> None:
        # A server that was stopped never answers: the reading ends because its socket does.
        connection = self._connection
        if connection is not None and not connection.closed:
            with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)

    def _read(self) -> dict[str, Part] | None:
        deadline = time.monotonic() + READ_SECONDS
        is_kept = self._connection is not None and not self._connection.closed
        try:
            return self._read_over(self._connected(), deadline)
        except _FAILURES as error:
            broken = error
        if is_kept and self._connection is not None and self._connection.closed and time.monotonic() < deadline:
            # The kept connection may have ended with a server that is back by now.
            try:
                return self._read_over(self._connected(), deadline)
            except _FAILURES as error:
                broken = error
        if isinstance(broken, SchemaError):
            log.error("nothing is read: %s", broken)
        else:
            log.warning("the database does not answer: %s", type(broken).__name__)
        # What was known is not told again: numbers that stand still would hide that nothing is known any more.
        self._parts.clear()
        return None

    def _read_over(self, connection: psycopg.Connection[Any], deadline: float) -> dict[str, Part]:
        for reading in self._readings:
            known = self._parts.get(reading.name)
            if known is None or known.read_at + reading.max_age_seconds <= time.monotonic():
                self._parts[reading.name] = self._part(reading, connection, deadline)
        return dict(self._parts)

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._url(),
                autocommit=True,
                connect_timeout=CONNECT_SECONDS,
                application_name="tally-metrics",
                options="-c timezone=UTC -c default_transaction_read_only=on",
            )
        if not self._schema_is_current:
            require_current(self._connection)
            self._schema_is_current = True
        return self._connection

    def _part(self, reading: Reading, connection: psycopg.Connection[Any], deadline: float) -> Part:
        begun = time.monotonic()
        if begun >= deadline:
            # Not tried: the next scrape does.
            return Part(None, 0, -math.inf)
        samples: tuple[Sample, ...] | None = None
        milliseconds = str(int((deadline - begun) * 1000) + 1)
        try:
            connection.execute("select set_config('statement_timeout', %s, false)", (milliseconds,))
            samples = tuple(reading.read(connection, self._settings)) if _is_there(reading, connection) else ()
        except psycopg.Error as error:
            if connection.closed:
                raise
            # The name alone: Postgres quotes statements in its messages.
            log.warning("%s could not be read: %s", reading.name, type(error).__name__)
        ended = time.monotonic()
        return Part(samples, ended - begun, ended)


def _is_there(reading: Reading, connection: psycopg.Connection[Any]) -> bool:
    if reading.needs is None:
        return True
    return connection.execute("select to_regclass(%s) is not null", (reading.needs,)).fetchone() == (True,)
