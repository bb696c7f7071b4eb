"""Replays of one database: count again what landed, show what would change, and apply exactly that."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

import psycopg

from tally.adjustments import propose_late_adjustments
from tally.clock import Clock
from tally.database import connect
from tally.errors import TallyError
from tally.replay import records
from tally.replay.changes import hash_of, read_changes
from tally.replay.errors import ReplayBusy
from tally.replay.holding import hold_closed
from tally.replay.moment import CatchUp, one_moment
from tally.replay.records import Replay
from tally.replay.request import Request
from tally.replay.scope import DELIVERIES_A_CHUNK, metrics_of, write_scope
from tally.replay.shadow import Shadow
from tally.replay.statements import run_text

Progress = Callable[[int, int], None]


class ReplayChanged(TallyError):
    """What would change is no longer what was shown. Nothing was applied; `shown` is the difference as it is now."""

    def __init__(self, shown: Replay) -> None:
        super().__init__(f"the difference is no longer the one that was shown; nothing changed. It is now {shown.hash}")
        self.shown = shown


class _NotAsShown(Exception):
    """Rolls back what was about to be applied."""


class Replays:
    """Shows and applies replays. One at a time per tenant; ticks wait only while one is applied."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        catch_up: CatchUp | None = None,
        progress: Progress = lambda done, chunks: None,
        deliveries_a_chunk: int = DELIVERIES_A_CHUNK,
    ) -> None:
        """`catch_up` runs a tick where an interrupted one left the models apart; without it that is an error."""
        self._url = url
        self._clock = clock
        self._catch_up = catch_up
        self._progress = progress
        self._deliveries_a_chunk = deliveries_a_chunk

    def show(self, request: Request, actor: str) -> Replay:
        """What replaying `request` would change. A request whose process died goes on behind its last chunk.

        Raises:
            ReplayRefused: the request names what does not exist.
            ReplayBusy: another replay of the tenant is at work.
            LedgerError: the models have not read equally far, and nobody catches up.
        """
        span = request.span(self._clock.now())
        with self._only_replay(request.tenant_id):
            return self._show(request, span, actor)

    def apply(self, tenant_id: str, shown_hash: str, actor: str) -> Replay:
        """Apply the difference that was shown under `shown_hash` in one transaction. Again, it changes nothing.

        Raises:
            UnknownHash: this tenant was shown no such difference.
            ReplayChanged: it is another one by now.
            ReplayBusy, LedgerError: as for `show`.
        """
        with self._only_replay(tenant_id):
            with connect(self._url, autocommit=True) as connection:
                shown = records.with_hash(connection, tenant_id, shown_hash)
            if shown.state == "applied":
                return shown
            span = (shown.since, shown.until)
            with suppress(_NotAsShown):
                return self._settled(self._apply(shown.request, span, actor, shown))
            with connect(self._url, autocommit=True) as connection:
                connection.execute(
                    "update tally.replays set state = 'refused' where replay_id = %s", (shown.replay_id,)
                )
            # In absolute times: "-PT24H" of then is another day by now.
            again = replace(shown.request, since=span[0].isoformat(), until=span[1].isoformat())
            raise ReplayChanged(self._show(again, span, actor))

    def apply_at_once(self, request: Request, actor: str) -> Replay:
        """Apply whatever replaying `request` changes, unseen.

        Raises:
            ReplayRefused, ReplayBusy, LedgerError: as for `show`.
        """
        span = request.span(self._clock.now())
        with self._only_replay(request.tenant_id):
            return self._settled(self._apply(request, span, actor, None))

    def _show(self, request: Request, span: tuple[datetime, datetime], actor: str) -> Replay:
        with connect(self._url, autocommit=True) as connection:
            replay_id = records.unfinished(connection, request)
        if replay_id is None:
            with one_moment(self._url, alone=False, catch_up=self._catch_up) as (connection, _):
                replay_id = records.begin(connection, request, span, actor)
                write_scope(connection, replay_id, request, span, self._deliveries_a_chunk)
        with connect(self._url, autocommit=True) as connection:
            chunks = _chunks(connection, replay_id)
        for number, (chunk, done) in enumerate(chunks, start=1):
            if not done:
                with one_moment(self._url, alone=False, catch_up=self._catch_up) as (connection, bound):
                    self._count(connection, replay_id, request, bound, chunk)
            self._progress(number, len(chunks))
        with connect(self._url, autocommit=True) as connection:
            return records.finish(connection, replay_id, None)

    def _count(
        self, connection: psycopg.Connection[Any], replay_id: str, request: Request, bound: str, chunk: int
    ) -> None:
        parameters = _parameters(connection, replay_id, request, bound)
        shadow = Shadow(connection, parameters)
        _compare(connection, shadow, parameters, request, chunk)
        connection.execute(
            "update tally.replay_scope set done = true where replay_id = %s and chunk = %s", (replay_id, chunk)
        )

    def _apply(self, request: Request, span: tuple[datetime, datetime], actor: str, shown: Replay | None) -> Replay:
        with one_moment(self._url, alone=True, catch_up=self._catch_up) as (connection, bound):
            if shown is None:
                replay_id = records.begin(connection, request, span, actor)
            else:
                replay_id = shown.replay_id
                _forget(connection, replay_id)
            write_scope(connection, replay_id, request, span, self._deliveries_a_chunk)
            parameters = _parameters(connection, replay_id, request, bound)
            shadow = Shadow(connection, parameters)
            chunks = _chunks(connection, replay_id)
            for number, (chunk, _) in enumerate(chunks, start=1):
                _compare(connection, shadow, parameters, request, chunk)
                shadow.write()
                self._progress(number, len(chunks))
            if shown is not None and hash_of(read_changes(connection, replay_id)) != shown.hash:
                raise _NotAsShown
            return records.finish(connection, replay_id, actor)

    def _settled(self, applied: Replay) -> Replay:
        # As behind a tick: what is late by its new dating, or no longer, is proposed so.
        with connect(self._url, autocommit=True) as connection:
            propose_late_adjustments(connection, self._clock, applied.request.tenant_id)
        return applied

    @contextmanager
    def _only_replay(self, tenant_id: str) -> Iterator[None]:
        with connect(self._url, autocommit=True) as connection:
            row = connection.execute(
                "select pg_try_advisory_lock(hashtextextended('tally.replay ' || %s, 0))", (tenant_id,)
            ).fetchone()
            if row != (True,):
                raise ReplayBusy(f"another replay of tenant {tenant_id} is at work; ask again when it is done")
            yield  # the lock goes with the session, also when this process is killed


def _parameters(connection: psycopg.Connection[Any], replay_id: str, request: Request, bound: str) -> dict[str, Any]:
    return {
        "replay_id": replay_id,
        "tenant_id": request.tenant_id,
        "metrics": metrics_of(connection, request),
        "bound": bound,
    }


def _compare(
    connection: psycopg.Connection[Any], shadow: Shadow, parameters: dict[str, Any], request: Request, chunk: int
) -> None:
    shadow.count(chunk)
    shadow.compare()
    if not request.closed:
        hold_closed(connection, request.tenant_id, parameters["replay_id"])


def _chunks(connection: psycopg.Connection[Any], replay_id: str) -> list[tuple[int, bool]]:
    return connection.execute(
        "select chunk, bool_and(done) from tally.replay_scope where replay_id = %s group by chunk order by chunk",
        (replay_id,),
    ).fetchall()


def _forget(connection: psycopg.Connection[Any], replay_id: str) -> None:
    for table in ("replay_changes", "replay_events", "replay_scope"):
        run_text(connection, f"delete from tally.{table} where replay_id = %(replay_id)s", {"replay_id": replay_id})
