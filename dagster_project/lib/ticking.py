"""The resident loop: look, and tick when rows have landed; over and over, whatever breaks. No Dagster in here."""

import logging
import os
import socket
import threading
import time
from collections import deque
from datetime import datetime
from typing import Any, Protocol

import psycopg

from dagster_project.lib.period_lookup import PeriodLookup
from dagster_project.lib.tick_numbers import LATE
from dagster_project.lib.waiting_rows import Waiting, waiting_rows
from tally.adjustments import propose_late_adjustments
from tally.clock import clock_for
from tally.database import connect
from tally.errors import DatabaseUnavailable, LedgerBusy, LedgerError, TallyError
from tally.ledger import Ledger, Tick
from tally.loop_heartbeat import Beat, loop_state, take_loop_lock, write_beat
from tally.migrations import require_current
from tally.settings import Settings

log = logging.getLogger("tally.loop")

# After failures the pause doubles up to this: a restarted Postgres is found soon, a failing model is not hammered.
MOST_PAUSE_SECONDS = 30.0
# How old the heartbeat row gets while nothing lands.
BEAT_SECONDS = 5.0
# Late events without a tick of their own (after a replay, or when proposing failed) are looked for this often.
PROPOSE_SECONDS = 60.0


class Reports(Protocol):
    """Who is told what the loop does. Must return at once and raise nothing."""

    def ticked(self, tick: Tick, waiting: Waiting, counted_at: datetime) -> None: ...


class TickLoop:
    """The one loop of a database: a second one waits until the first has ended."""

    def __init__(
        self, ledger: Ledger, settings: Settings, lookup: PeriodLookup | None, reports: Reports, stop: threading.Event
    ) -> None:
        """`lookup` is None where there is no Stripe to ask; setting `stop` ends `run` within its tick."""
        self._ledger = ledger
        self._settings = settings
        self._lookup = lookup
        self._reports = reports
        self._stop = stop
        self._process = f"{socket.gethostname()}:{os.getpid()}"
        self._ticks_at: deque[float] = deque()
        self._ticks = 0
        self._last_tick_seconds: float | None = None
        self._failures = 0
        self._last_error: str | None = None
        self._beat_at = 0.0
        self._propose_at = 0.0
        self._said_busy = False

    def run(self) -> None:
        """Tick until `stop`.

        Raises:
            SchemaError: the database's schema is not this version's, or is no longer.
        """
        while not self._stop.is_set():
            try:
                with connect(self._ledger.url, autocommit=True) as connection:
                    require_current(connection)
                    if self._become_the_loop(connection):
                        self._turns(connection)
                        self._beat(connection, is_last=True)
            except (psycopg.Error, DatabaseUnavailable) as error:
                self._failed(str(error).strip())
                self._stop.wait(self._pause(time.monotonic()))

    def _become_the_loop(self, connection: psycopg.Connection[Any]) -> bool:
        said = False
        while not self._stop.is_set():
            if take_loop_lock(connection):
                log.info("%s ticks this database every %g s", self._process, self._settings.tick_seconds)
                return True
            if not said:
                other = loop_state(connection)
                log.warning(
                    "another loop (%s) ticks this database: waiting, to take over when it ends",
                    other.process if other else "just started",
                )
                said = True
            self._stop.wait(self._settings.tick_seconds)
        return False

    def _turns(self, connection: psycopg.Connection[Any]) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                self._turn(connection)
            except LedgerBusy as busy:
                if not self._said_busy:
                    log.info("%s", busy)
                self._said_busy = True
            except LedgerError as error:
                self._failed(str(error))
            else:
                self._went_well()
            self._beat_when_due(connection, began)
            self._stop.wait(self._pause(began))

    def _turn(self, connection: psycopg.Connection[Any]) -> None:
        waiting = waiting_rows(connection)
        # The first tick is due in any case: it makes the views this version's, and the tables on a new database.
        if waiting.rows or self._ticks == 0:
            if self._lookup is not None:
                self._lookup.before_tick(connection)
            if self._stop.is_set():
                return
            tick = self._ledger.tick(wait=False)
            self._ticks += 1
            self._ticks_at.append(time.monotonic())
            self._last_tick_seconds = tick.seconds
            self._reports.ticked(tick, waiting, clock_for(self._settings, connection).now())
            log.debug("%d rows, %d new events, %.2f s", waiting.rows, tick.new_events, tick.seconds)
            if any(model.rows for model in tick.models if model.relation == LATE):
                self._propose_at = 0.0
        if time.monotonic() >= self._propose_at:
            self._propose(connection)

    def _propose(self, connection: psycopg.Connection[Any]) -> None:
        self._propose_at = time.monotonic() + PROPOSE_SECONDS
        try:
            proposals = propose_late_adjustments(connection, clock_for(self._settings, connection))
        except (psycopg.Error, TallyError) as error:
            # The counters are right without; the late events wait where they are.
            log.error("late events were not proposed as adjustments, trying again in a minute: %s", error)
            return
        for late in proposals:
            log.info("%d late events: adjustment %s is %s", late.events, late.adjustment_id, late.state)

    def _failed(self, error: str) -> None:
        self._failures += 1
        self._last_error = error
        log.error("turn failed, %d in a row, next in %.0f s: %s", self._failures, self._pause(time.monotonic()), error)

    def _went_well(self) -> None:
        if self._failures:
            log.info("well again after %d failures", self._failures)
        self._failures, self._last_error, self._said_busy = 0, None, False

    def _pause(self, began: float) -> float:
        every = self._settings.tick_seconds
        if self._failures:
            return min(every * 2.0 ** min(self._failures, 20), max(MOST_PAUSE_SECONDS, every))
        return max(0.0, began + every - time.monotonic())

    def _beat_when_due(self, connection: psycopg.Connection[Any], began: float) -> None:
        has_ticked = bool(self._ticks_at) and self._ticks_at[-1] >= began
        if has_ticked or self._failures or time.monotonic() - self._beat_at >= BEAT_SECONDS:
            self._beat(connection)

    def _beat(self, connection: psycopg.Connection[Any], *, is_last: bool = False) -> None:
        now = self._beat_at = time.monotonic()
        last = self._ticks_at[-1] if self._ticks_at else None
        beat = Beat(
            process=self._process,
            ticks=self._ticks,
            ticks_last_minute=sum(at > now - 60 for at in self._ticks_at),
            seconds_since_tick=None if last is None else now - last,
            last_tick_seconds=self._last_tick_seconds,
            failures=self._failures,
            last_error=self._last_error,
        )
        while len(self._ticks_at) > 1 and self._ticks_at[0] <= now - 60:
            self._ticks_at.popleft()
        write_beat(connection, beat, is_last=is_last)
