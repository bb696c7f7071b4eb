"""Ticks are taken in at once and told about once a minute, in a thread of its own. No Dagster in here.

So neither a slow nor a broken Dagster holds a tick up. What could not be told is kept and told with the next report.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime

from dagster_project.lib.tick_numbers import TickNumbers
from dagster_project.lib.waiting_rows import Waiting
from tally.errors import TallyError
from tally.ledger import Tick
from tally.stripe.mirror import SyncSummary

log = logging.getLogger("tally.loop")

EVERY_SECONDS = 60.0
# How long the end of the process waits for the last report.
CLOSE_SECONDS = 10.0


class NotReported(TallyError):
    """Dagster could not be told; the message says why."""


class ReportQueue:
    """The first tick after a quiet minute is reported at once, and what follows together a minute later."""

    def __init__(
        self, write: Callable[[TickNumbers, Sequence[SyncSummary]], None], every_seconds: float = EVERY_SECONDS
    ) -> None:
        """`write` tells what ticks and readings of Stripe did; it raises `TallyError` when it could not."""
        self._write = write
        self._every_seconds = every_seconds
        self._lock = threading.Lock()
        self._numbers = TickNumbers()
        self._synced: list[SyncSummary] = []
        self._news = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reports", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Report what is left and end, within `CLOSE_SECONDS`."""
        self._closing.set()
        self._news.set()
        self._thread.join(CLOSE_SECONDS)

    def ticked(self, tick: Tick, waiting: Waiting, counted_at: datetime) -> None:
        """Take in one tick."""
        with self._lock:
            self._numbers.add(tick, waiting, counted_at)
        self._news.set()

    def synced(self, summaries: Sequence[SyncSummary]) -> None:
        """Take in one reading of Stripe's subscriptions; only the newest one is told."""
        with self._lock:
            self._synced = list(summaries)
        self._news.set()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._news.wait()
            self._news.clear()
            self._report()
            self._closing.wait(self._every_seconds)
        self._report()

    def _report(self) -> None:
        with self._lock:
            numbers, synced = self._numbers, self._synced
            self._numbers, self._synced = TickNumbers(), []
        if not (numbers.ticks or synced):
            return
        try:
            self._write(numbers, synced)
        except TallyError as error:
            log.warning("%d ticks were not reported, they go into the next report: %s", numbers.ticks, error)
            with self._lock:
                self._numbers = numbers.followed_by(self._numbers)
                self._synced = self._synced or synced
            self._news.set()
