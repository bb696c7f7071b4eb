"""The resident loop as everybody else sees it: whether one runs, and how it does."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import kwargs_row

ADVISORY_LOCK = 7_465_110_003

_IS_HELD = """
select exists (
    select from pg_locks
    where locktype = 'advisory' and granted and objsubid = 1
      and database = (select oid from pg_database where datname = current_database())
      and (classid::bigint << 32) | objid::bigint = %(lock)s
)
"""
_READ = f"select ({_IS_HELD}) as is_running, heartbeat.* from tally.loop_heartbeat as heartbeat"
_BEAT = """
insert into tally.loop_heartbeat as known (
    process, started_at, beat_at, stopped_at, ticks, ticks_last_minute, last_tick_at, last_tick_seconds,
    failures, last_error
)
values (
    %(process)s, now(), now(), case when %(is_last)s then now() end, %(ticks)s, %(ticks_last_minute)s,
    now() - make_interval(secs => %(seconds_since_tick)s), %(last_tick_seconds)s, %(failures)s, %(last_error)s
)
on conflict (only_row) do update set
    process = excluded.process,
    started_at = case when known.process = excluded.process then known.started_at else excluded.started_at end,
    beat_at = excluded.beat_at,
    stopped_at = excluded.stopped_at,
    ticks = excluded.ticks,
    ticks_last_minute = excluded.ticks_last_minute,
    last_tick_at = coalesce(excluded.last_tick_at, known.last_tick_at),
    last_tick_seconds = coalesce(excluded.last_tick_seconds, known.last_tick_seconds),
    failures = excluded.failures,
    last_error = excluded.last_error
"""


@dataclass(frozen=True)
class Beat:
    """What the loop says of itself. `ticks` counts since its start; `last_error` is None unless `failures` counts."""

    process: str
    ticks: int
    ticks_last_minute: int
    seconds_since_tick: float | None
    last_tick_seconds: float | None
    failures: int
    last_error: str | None


@dataclass(frozen=True)
class LoopState:
    """The loop of one database, running or not. Times are UTC; None is "not yet", of `stopped_at` "not as asked"."""

    is_running: bool
    process: str
    started_at: datetime
    beat_at: datetime
    stopped_at: datetime | None
    ticks: int
    ticks_last_minute: int
    last_tick_at: datetime | None
    last_tick_seconds: float | None
    failures: int
    last_error: str | None

    @property
    def died(self) -> bool:
        """Whether it ended without having been asked to."""
        return not self.is_running and self.stopped_at is None


def take_loop_lock(connection: psycopg.Connection[Any]) -> bool:
    """Become the loop of this database for as long as `connection` lasts; False when another process is."""
    return connection.execute("select pg_try_advisory_lock(%s)", (ADVISORY_LOCK,)).fetchone() == (True,)


def loop_is_running(connection: psycopg.Connection[Any]) -> bool:
    """Whether a process is the loop of this database now."""
    return connection.execute(_IS_HELD, {"lock": ADVISORY_LOCK}).fetchone() == (True,)


def loop_state(connection: psycopg.Connection[Any]) -> LoopState | None:
    """How the loop does; None when none has ever run here."""
    with connection.cursor(row_factory=kwargs_row(_state)) as cursor:
        return cursor.execute(_READ, {"lock": ADVISORY_LOCK}).fetchone()


def _state(only_row: bool, **columns: Any) -> LoopState:
    return LoopState(**columns)


def write_beat(connection: psycopg.Connection[Any], beat: Beat, *, is_last: bool = False) -> None:
    """Replace the row. `is_last`: the loop ends now, as asked. `connection` is in autocommit and holds the lock."""
    connection.execute(_BEAT, {**vars(beat), "is_last": is_last})
