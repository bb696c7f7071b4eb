"""Group commit: every request that waits shares one COPY and one commit, and is answered after it.

There is no timer. A commit starts as soon as a link is free, with everything that queued while the links were busy,
so one caller alone waits for nobody and a crowd pays for few commits.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from ingest.acceptance import COLUMNS
from ingest.door_clock import DoorClock
from ingest.link import DatabaseLost, Link, RowsRefused
from ingest.logs import log
from ingest.metrics import Metrics

MAX_ROWS_A_COMMIT = 20_000


class Overloaded(Exception):
    """Too many events wait for a commit already; these were not queued."""


@dataclass(frozen=True, slots=True)
class _Waiter:
    lines: bytes
    rows: int
    done: asyncio.Future[None]


class Landing:
    """Lands rows over `links`, one commit in flight on each. At most `max_queued` rows wait or are on their way."""

    def __init__(self, links: Sequence[Link], clock: DoorClock, metrics: Metrics, max_queued: int) -> None:
        self._idle = list(links)
        self._clock = clock
        self._metrics = metrics
        self._max_queued = max_queued
        self._waiting: deque[_Waiter] = deque()
        self._commits: set[asyncio.Task[None]] = set()
        self.queued = 0

    async def land(self, lines: bytes, rows: int) -> None:
        """Return once these COPY lines (columns `COLUMNS`) are committed.

        Raises:
            Overloaded: the queue is full; nothing landed.
            DatabaseLost: `landed` says whether nothing landed or nobody knows.
            RowsRefused: Postgres refused these very rows; nothing of them landed.
        """
        if self.queued + rows > self._max_queued:
            raise Overloaded
        self.queued += rows
        self._metrics.queued_events.set(self.queued)
        waiter = _Waiter(lines, rows, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        self._start_commits()
        await waiter.done

    async def drain(self) -> None:
        """Return once everything that was accepted is committed or given up."""
        while self._commits:
            await asyncio.wait(self._commits)

    def _start_commits(self) -> None:
        while self._waiting and self._idle:
            task = asyncio.get_running_loop().create_task(self._commit(self._idle.pop(), self._next_group()))
            self._commits.add(task)
            task.add_done_callback(self._commits.discard)

    def _next_group(self) -> list[_Waiter]:
        group = [self._waiting.popleft()]
        rows = group[0].rows
        while self._waiting and rows + self._waiting[0].rows <= MAX_ROWS_A_COMMIT:
            group.append(self._waiting.popleft())
            rows += group[-1].rows
        return group

    async def _commit(self, link: Link, group: list[_Waiter]) -> None:
        try:
            await self._land_together(link, group)
        finally:
            self.queued -= sum(waiter.rows for waiter in group)
            self._metrics.queued_events.set(self.queued)
            self._idle.append(link)
            self._start_commits()

    async def _land_together(self, link: Link, group: list[_Waiter]) -> None:
        try:
            await self._copy(link, b"".join([waiter.lines for waiter in group]), sum(waiter.rows for waiter in group))
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
        else:
            for waiter in group:
                if not waiter.done.done():
                    waiter.done.set_result(None)

    async def _copy(self, link: Link, lines: bytes, rows: int) -> None:
        started = perf_counter()
        landed_at = await self._clock.landed_at()
        if landed_at is None:
            await link.copy(COLUMNS, lines)
        else:
            # Line feeds inside values are escaped, so each one ends a row.
            stamp = b"\t" + landed_at.isoformat().encode() + b"\n"
            await link.copy((*COLUMNS, "landed_at"), lines.replace(b"\n", stamp))
        self._metrics.commit_seconds.observe(perf_counter() - started)
        self._metrics.commit_rows.observe(rows)


def _fail(group: list[_Waiter], error: Exception) -> None:
    for waiter in group:
        if not waiter.done.done():
            waiter.done.set_exception(error)
