"""What the loop's ticks did since they were last reported, in numbers. No Dagster in here."""

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any

import psycopg

from dagster_project.lib.waiting_rows import FIRST_MODEL, Waiting
from tally.ledger import Tick

LATE, CONFLICTS = "ledger.int_usage_events_late", "ledger.int_usage_events_conflicts"
# Ticks whose seconds the median is taken over: more than a minute has, and a bound for when reporting fails for days.
MOST_TICKS = 1_000

_LANDED = """
select count(*) from raw.usage_events as event
inner join unnest(%(starts)s::text[]::xid8[], %(ends)s::text[]::xid8[]) as read (first, next)
    on event.xid >= read.first and event.xid < read.next
"""


@dataclass
class TickNumbers:
    """Sums since the last report. `rows`, `read_to`: by relation, like "ledger.int_usage_counters"."""

    ticks: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    read_to: dict[str, int] = field(default_factory=dict)
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_TICKS))
    windows: list[tuple[int, int]] = field(default_factory=list)
    worst_lag_seconds: float = 0.0
    newest_tick_at: datetime | None = None

    def add(self, tick: Tick, waiting: Waiting, counted_at: datetime) -> None:
        """Take in one tick over the rows that were `waiting` before it; `counted_at`: when it had committed."""
        self.ticks += 1
        self.seconds.append(tick.seconds)
        self.newest_tick_at = counted_at
        for model in tick.models:
            if model.read_to is not None:
                self.rows[model.relation] += model.rows
                self.read_to[model.relation] = model.read_to
        if waiting.oldest_landed_at is not None:
            lag = (counted_at - waiting.oldest_landed_at).total_seconds()
            self.worst_lag_seconds = max(self.worst_lag_seconds, lag)
        self._read(waiting.read_to, self.read_to.get(FIRST_MODEL, waiting.read_to))

    def _read(self, start: int, end: int) -> None:
        if self.windows and self.windows[-1][1] == start:
            start = self.windows.pop()[0]
        self.windows.append((start, end))

    def followed_by(self, later: "TickNumbers") -> "TickNumbers":
        """Both as one; `later`'s ticks came after these."""
        return TickNumbers(
            ticks=self.ticks + later.ticks,
            rows=self.rows + later.rows,
            read_to=self.read_to | later.read_to,
            seconds=deque([*self.seconds, *later.seconds], maxlen=MOST_TICKS),
            windows=[*self.windows, *later.windows],
            worst_lag_seconds=max(self.worst_lag_seconds, later.worst_lag_seconds),
            newest_tick_at=later.newest_tick_at or self.newest_tick_at,
        )

    def landed(self, connection: psycopg.Connection[Any]) -> int:
        """How many deliveries the ticks read; costs as much as there are."""
        starts, ends = ([str(window[side]) for window in self.windows] for side in (0, 1))
        row = connection.execute(_LANDED, {"starts": starts, "ends": ends}).fetchone()
        assert row is not None
        return int(row[0])

    @property
    def events(self) -> int:
        """Events seen for the first time."""
        return self.rows[FIRST_MODEL]

    @property
    def median_seconds(self) -> float:
        return median(self.seconds) if self.seconds else 0.0

    @property
    def worst_seconds(self) -> float:
        return max(self.seconds, default=0.0)
