"""Ticks that go on with the traces of the requests they count. Imported only where traces are on."""

import logging
import time
from pathlib import Path
from typing import Any

import psycopg

from tally.database import connect
from tally.errors import DatabaseUnavailable
from tally.ledger import Ledger, Tick
from tally.settings import Settings
from tally.tracing.links import TracedRequest, counted_to, forget_counters, take_links, trace_counters
from tally.tracing.spans import Spans, remote, traceparent_of

log = logging.getLogger("tally.tracing")

_FORGET_SECONDS = 60.0


class TracedLedger(Ledger):
    """A ledger whose ticks are told as spans once they are over. What goes wrong in telling is logged, and no more."""

    def __init__(self, where: Settings | str, folder: Path | None = None) -> None:
        """
        Raises:
            SettingsError: a variable of OpenTelemetry is malformed.
        """
        super().__init__(where, folder)
        self._spans = Spans("ledger")
        self._forget_at = 0.0

    def tick(self, *, wait: bool = True) -> Tick:
        began = time.time_ns()
        read_from = self._counted_to()
        tick = super().tick(wait=wait)
        if read_from is not None:
            self._tell(read_from, began, time.time_ns(), tick)
        return tick

    def close(self) -> None:
        """Send the last spans; a process' end does the same."""
        self._spans.close()

    def _counted_to(self) -> str | None:
        try:
            with connect(self.url, autocommit=True) as connection:
                return counted_to(connection)
        except (psycopg.Error, DatabaseUnavailable):
            return None  # the tick meets the same, and says so

    def _tell(self, read_from: str, began: int, ended: int, tick: Tick) -> None:
        try:
            with connect(self.url, autocommit=True) as connection:
                read_to = counted_to(connection)
                if requests := take_links(connection, read_from, read_to):
                    self._tell_requests(connection, requests, began, ended, tick)
                if time.monotonic() >= self._forget_at:
                    self._forget_at = time.monotonic() + _FORGET_SECONDS
                    forget_counters(connection)
        except (psycopg.Error, DatabaseUnavailable) as error:
            log.warning("traces: a tick's requests were not told: %s", str(error).strip())

    def _tell_requests(
        self, connection: psycopg.Connection[Any], requests: list[TracedRequest], began: int, ended: int, tick: Tick
    ) -> None:
        doors = [remote(request.traceparent) for request in requests]
        whole = self._spans.begin("ledger tick", {}, at=began, links=doors)
        whole.set_attribute("tally.new_events", tick.new_events)
        for request in requests:
            span = self._spans.begin("tick", {"traceparent": request.traceparent}, at=began, links=[whole])
            events, counters = trace_counters(connection, request, traceparent_of(span))
            span.set_attributes(
                {
                    "tally.tenant_id": request.tenant_id,
                    "tally.xid": request.xid,
                    "tally.events_looked_at": len(request.idempotency_keys),
                    "tally.events_counted": events,
                    "tally.counters_moved": counters,
                }
            )
            span.end(ended)
        whole.end(ended)
