"""Group commit: every request that waits shares one COPY and one commit, and is answered after it.

There is no timer. A commit starts as soon as a link is free, with everything that queued while the links were busy,
so one caller alone waits for nobody and a crowd pays for few commits.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import NamedTuple

from ingest.acceptance import COLUMNS
from ingest.door_clock import DoorClock
from ingest.link import DatabaseLost, Link, RowsRefused
from ingest.logs import log
from ingest.metrics import Metrics
from ingest.trace_links import TraceLink

MAX_ROWS_A_COMMIT = 20_000
# So many rows are worth a commit beside one that is in flight already, however many that one has.
WORTH_A_COMMIT = 1000


class Overloaded(Exception):
    """Too many events wait for a commit already; these were not queued."""


class Waiter(NamedTuple):
    """Rows that wait for a commit. `trace` goes with them where their request is traced."""

    lines: bytes
    rows: int
    done: Callable[[Exception | None], object]
    trace: TraceLink | None


class Landing:
    """Lands rows over `links`, one commit in flight on each. At most `max_queued` rows wait or are on their way."""

    def __init__(self, links: Sequence[Link], clock: DoorClock, metrics: Metrics, max_queued: int) -> None:
        self._idle = list(links)
        self._clock = clock
        self._metrics = metrics
        self._max_queued = max_queued
        self._waiting: deque[Waiter] = deque()
        self._commits: set[asyncio.Task[None]] = set()
        self._woken = False
        self._waiting_rows = 0
        self.queued = 0
        metrics.queued_events.set_function(lambda: self.queued)
        metrics.queue_limit.set(max_queued)

    async def land(self, lines: bytes, rows: int, trace: TraceLink | None = None) -> None:
        """Return once these COPY lines (columns `COLUMNS`) are committed.

        Raises:
            Overloaded: the queue is full; nothing landed.
            DatabaseLost: `landed` says whether nothing landed or nobody knows.
            RowsRefused: Postgres refused these very rows; nothing of them landed.
        """
        if not self.has_room(rows):
            raise Overloaded
        landed = asyncio.get_running_loop().create_future()
        self.enter(lines, rows, partial(_settle, landed), trace)
        await landed

    def has_room(self, rows: int) -> bool:
        """May so many more wait?"""
        return self.queued + rows <= self._max_queued

    def enter(
        self, lines: bytes, rows: int, done: Callable[[Exception | None], object], trace: TraceLink | None = None
    ) -> None:
        """Land these COPY lines, for which there is room, with those of all others that wait. `done` hears once of the
        commit, or of what `land` would raise; it must not raise, since others wait for the same commit."""
        self.queued += rows
        self._waiting_rows += rows
        self._waiting.append(Waiter(lines, rows, done, trace))
        if not self._woken:
            # Once this round of the event loop is over: all that arrived in the same round shares the commit.
            self._woken = True
            asyncio.get_running_loop().call_soon(self._start_commits)

    async def drain(self) -> None:
        """Return once everything that was accepted is committed or given up."""
        while self._waiting or self._commits:
            if self._commits:
                await asyncio.wait(self._commits)
            else:
                await asyncio.sleep(0)

    def _start_commits(self) -> None:
        self._woken = False
        while self._waiting and self._idle and self._is_worth_a_commit():
            group = self._next_group()
            rows = sum(waiter.rows for waiter in group)
            self._waiting_rows -= rows
            task = asyncio.get_running_loop().create_task(self._commit(self._idle.pop(), group, rows))
            self._commits.add(task)
            task.add_done_callback(self._commits.discard)

    def _is_worth_a_commit(self) -> bool:
        # A few rows wait for the commit in flight rather than take one of their own from the crowd that comes after it.
        in_flight = self.queued - self._waiting_rows
        return self._waiting_rows >= min(in_flight, WORTH_A_COMMIT)

    def _next_group(self) -> list[Waiter]:
        group = [self._waiting.popleft()]
        rows = group[0].rows
        while self._waiting and rows + self._waiting[0].rows <= MAX_ROWS_A_COMMIT:
            group.append(self._waiting.popleft())
            rows += group[-1].rows
        return group

    async def _commit(self, link: Link, group: list[Waiter], rows: int) -> None:
        try:
            await self._land_together(link, group)
        finally:
            self.queued -= rows
            self._idle.append(link)
            self._start_commits()

    async def _land_together(self, link: Link, group: list[Waiter]) -> None:
        try:
            await self._copy(link, group)
        except RowsRefused as refused:
            log.error("rows_refused", cause=str(refused), requests=len(group))
            if len(group) == 1:
                _fail(group, refused)
            else:
                # One of them is at fault; its neighbours must not pay for it.
                for waiter in group:
                    await self._land_together(link, [waiter])
        except DatabaseLost as lost:
            log.error("commit_failed", cause=lost.cause, landed=lost.landed, requests=len(group))
            _fail(group, lost)
        except Exception as fault:  # noqa: BLE001 whatever it is, nobody may wait for an answer for ever
            log.error("fault", exc_info=fault, requests=len(group))
            _fail(group, DatabaseLost("unknown", "a fault of the door"))
        else:
            for waiter in group:
                waiter.done(None)

    async def _copy(self, link: Link, group: list[Waiter]) -> None:
        lines = b"".join([waiter.lines for waiter in group])
        traces = self._traces_of(group)
        started = perf_counter()
        landed_at = await self._clock.landed_at()
        if landed_at is None:
            await link.copy(COLUMNS, lines, traces)
        else:
            # Line feeds inside values are escaped, so each one ends a row.
            stamp = b"\t" + landed_at.isoformat().encode() + b"\n"
            await link.copy((*COLUMNS, "landed_at"), lines.replace(b"\n", stamp), traces)
        self._metrics.commit_seconds.observe(perf_counter() - started)
        self._metrics.commit_rows.observe(sum(waiter.rows for waiter in group))

    def _traces_of(self, group: list[Waiter]) -> Sequence[TraceLink]:
        """What goes into the commit beside the rows: nothing, unless traces are on."""
        return ()


def _fail(group: list[Waiter], error: Exception) -> None:
    for waiter in group:
        waiter.done(error)


def _settle(landed: asyncio.Future[None], error: Exception | None) -> None:
    if landed.done():  # whoever waited was cancelled
        return
    if error is None:
        landed.set_result(None)
    else:
        landed.set_exception(error)
