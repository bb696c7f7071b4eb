"""Replays as they are kept: what was asked, what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from tally.replay.changes import Change, hash_of, read_changes
from tally.replay.errors import UnknownHash
from tally.replay.request import Request

State = Literal["computing", "shown", "applied", "refused"]

_COLUMNS = (
    "replay_id::text, tenant_id, request, since, until, asked_by, created_at, state, hash, applied_by, applied_at"
)


@dataclass(frozen=True)
class EventsInScope:
    """A customer's events of a metric. `without_landing`, `decided`: those that keep their period and outcome."""

    customer_ref: str
    metric: str
    events: int
    late_events: int
    without_landing: int
    decided: int


@dataclass(frozen=True)
class Replay:
    """A finished replay. `changes` is what it shows or has applied, in a fixed order; times are UTC."""

    replay_id: str
    request: Request
    since: datetime
    until: datetime
    asked_by: str
    created_at: datetime
    state: State
    hash: str
    applied_by: str | None
    applied_at: datetime | None
    changes: Sequence[Change]
    events: Sequence[EventsInScope]

    @property
    def held(self) -> list[Change]:
        """What is not applied."""
        return [change for change in self.changes if change.is_held]


def begin(connection: psycopg.Connection[Any], request: Request, span: tuple[datetime, datetime], actor: str) -> str:
    """A new replay's id."""
    row = connection.execute(
        "insert into tally.replays (tenant_id, request, since, until, asked_by) values (%s, %s, %s, %s, %s)"
        " returning replay_id::text",
        (request.tenant_id, Jsonb(request.as_json()), *span, actor),
    ).fetchone()
    assert row is not None
    return str(row[0])


def unfinished(connection: psycopg.Connection[Any], request: Request) -> str | None:
    """The replay of the same request whose process died within the last hour; older ones and other requests' go.

    The caller holds the tenant's lock, so whatever is computing here computes no more.
    """
    row = connection.execute(
        "select replay_id::text from tally.replays"
        " where tenant_id = %s and state = 'computing' and request = %s and created_at > now() - interval '1 hour'"
        " order by created_at desc limit 1",
        (request.tenant_id, Jsonb(request.as_json())),
    ).fetchone()
    found = None if row is None else str(row[0])
    connection.execute(
        "delete from tally.replays where tenant_id = %s and state = 'computing'"
        " and replay_id is distinct from %s::uuid",
        (request.tenant_id, found),
    )
    return found


def finish(connection: psycopg.Connection[Any], replay_id: str, applied_by: str | None) -> Replay:
    """The replay with its hash, shown or applied."""
    changes = read_changes(connection, replay_id)
    summary = {
        "counters": len(changes),
        "held": sum(change.is_held for change in changes),
        "moved_events": sum(change.moved for change in changes),
    }
    connection.execute(
        "update tally.replays set state = %s, hash = %s, summary = %s, applied_by = %s,"
        " applied_at = case when %s::text is null then null else tally.now() end where replay_id = %s",
        (
            "shown" if applied_by is None else "applied",
            hash_of(changes),
            Jsonb(summary),
            applied_by,
            applied_by,
            replay_id,
        ),
    )
    return read(connection, replay_id)


def read(connection: psycopg.Connection[Any], replay_id: str) -> Replay:
    """A finished replay."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            f"select {_COLUMNS} from tally.replays where replay_id = %s".encode(), (replay_id,)
        ).fetchone()
    assert row is not None
    del row["tenant_id"]
    with connection.cursor(row_factory=class_row(EventsInScope)) as events:
        in_scope = events.execute(
            "select customer_ref, metric, events, late_events, without_landing, decided from tally.replay_events"
            " where replay_id = %s order by customer_ref, metric",
            (replay_id,),
        ).fetchall()
    row["request"] = Request.from_json(row["request"])
    return Replay(**row, changes=read_changes(connection, replay_id), events=in_scope)


def with_hash(connection: psycopg.Connection[Any], tenant_id: str, shown_hash: str) -> Replay:
    """The tenant's newest replay with this hash, or with the only one that begins so (8 characters at least).

    Raises:
        UnknownHash: there is none, or there are several.
    """
    rows = connection.execute(
        "select distinct on (hash) replay_id::text from tally.replays"
        " where tenant_id = %s and starts_with(hash, %s) order by hash, created_at desc",
        (tenant_id, shown_hash),
    ).fetchall()
    if len(shown_hash) < 8 or len(rows) != 1:
        raise UnknownHash(f"hash: tenant {tenant_id} was shown no replay with the hash {shown_hash!r}: show it first")
    return read(connection, rows[0][0])
