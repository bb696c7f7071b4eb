"""The schema, as SQL files applied in order by `tally migrate`: safe to run twice, at once, and under load.

Every process that works on the database asks `require_current` before it begins, and refuses any other schema.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import psycopg

from tally.errors import SchemaError

ADVISORY_LOCK = 7_465_110_001
# Whoever comes after a statement that waits for a table's lock waits behind it, the door's landings too: at most this.
LOCK_TIMEOUT_MILLISECONDS = 500
# Between two attempts everybody who queued goes on; a minute is longer than any transaction of ours.
PAUSE_SECONDS = 1.0
ATTEMPTS = 40

_OLDEST_TRANSACTION = """
select format('process %s (%s), open for %s s', pid, coalesce(nullif(application_name, ''), 'unnamed'),
    extract(epoch from clock_timestamp() - xact_start)::bigint)
from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null
order by xact_start
limit 1
"""
Report = Callable[[str], None]


@dataclass(frozen=True)
class Migration:
    """One SQL file; `checksum` guards an applied one against being edited."""

    name: str
    sql: str
    checksum: str


@dataclass(frozen=True)
class Standing:
    """A database's schema beside a version's migrations: what it lacks, what it has more, what was edited since."""

    pending: tuple[Migration, ...]
    future: tuple[str, ...]
    edited: tuple[str, ...]


@cache
def declared(folder: Traversable | None = None) -> tuple[Migration, ...]:
    """Every migration of this version, or of another folder, in order."""
    folder = folder or files(__name__)
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    texts = [(name, (folder / name).read_text()) for name in names]
    return tuple(
        Migration(name.removesuffix(".sql"), text, hashlib.sha256(text.encode()).hexdigest()) for name, text in texts
    )


def standing(connection: psycopg.Connection[Any], known: Sequence[Migration] | None = None) -> Standing:
    """How the database's schema stands to `known`, by default this version's; two short reads."""
    by_name = {migration.name: migration for migration in (declared() if known is None else known)}
    if connection.execute("select to_regclass('tally_schema.migrations')").fetchone() == (None,):
        return Standing(tuple(by_name.values()), (), ())
    applied: dict[str, str] = dict(connection.execute("select name, checksum from tally_schema.migrations").fetchall())
    return Standing(
        pending=tuple(migration for name, migration in by_name.items() if name not in applied),
        future=tuple(sorted(applied.keys() - by_name.keys())),
        edited=tuple(
            sorted(name for name, checksum in applied.items() if name in by_name and by_name[name].checksum != checksum)
        ),
    )


def pending(connection: psycopg.Connection[Any], known: Sequence[Migration] | None = None) -> list[Migration]:
    """What `migrate` would apply.

    Raises:
        SchemaError: the database comes from a newer version, or an applied file was edited.
    """
    found = standing(connection, known)
    if found.future:
        raise SchemaError(
            f"the database has migrations this version does not know ({', '.join(found.future)}): upgrade Tallyledger"
        )
    if found.edited:
        names = ", ".join(found.edited)
        raise SchemaError(f"applied migrations were edited since ({names}): restore them and add a new one")
    return list(found.pending)


def require_current(connection: psycopg.Connection[Any]) -> None:
    """Refuse to start on a schema that is not this version's.

    Raises:
        SchemaError: it is behind, ahead, or edited; the message says what to do.
    """
    if todo := pending(connection):
        raise SchemaError(f"{len(todo)} migrations are pending, first {todo[0].name}: run `tally migrate`")


def migrate(
    connection: psycopg.Connection[Any],
    known: Sequence[Migration] | None = None,
    report: Report = lambda message: None,
) -> list[str]:
    """Apply what is pending, each migration in a transaction of its own; returns the names applied.

    Who reads and writes meanwhile goes on: a migration waits for a lock half a second at most, then steps back and
    tries again, and `report` is told. One that fails leaves those before it, and the next call goes on there.

    Raises:
        SchemaError: as for `pending`; or a lock was not to be had within a minute, with who holds it.
    """
    with _only_migrator(connection):
        if connection.execute("select to_regclass('tally_schema.migrations')").fetchone() == (None,):
            _make_register(connection)
        todo = pending(connection, known)
        for migration in todo:
            _apply(connection, migration, report)
    return [migration.name for migration in todo]


@contextmanager
def _only_migrator(connection: psycopg.Connection[Any]) -> Iterator[None]:
    autocommit = connection.autocommit
    connection.autocommit = True
    connection.execute("select pg_advisory_lock(%s)", (ADVISORY_LOCK,))
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("select pg_advisory_unlock(%s)", (ADVISORY_LOCK,))
            connection.autocommit = autocommit


def _make_register(connection: psycopg.Connection[Any]) -> None:
    with connection.transaction():
        connection.execute("create schema if not exists tally_schema")
        connection.execute(
            "create table if not exists tally_schema.migrations "
            "(name text primary key, checksum text not null, applied_at timestamptz not null default now())"
        )


def _apply(connection: psycopg.Connection[Any], migration: Migration, report: Report) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with connection.transaction():
                connection.execute(f"set local lock_timeout = {LOCK_TIMEOUT_MILLISECONDS}")
                connection.execute(migration.sql.encode())
                connection.execute(
                    "insert into tally_schema.migrations (name, checksum) values (%s, %s)",
                    (migration.name, migration.checksum),
                )
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            row = connection.execute(_OLDEST_TRANSACTION).fetchone()
            holder = row[0] if row else "nobody now"
            if attempt == ATTEMPTS:
                raise SchemaError(
                    f"{migration.name} did not get its locks in {ATTEMPTS} attempts; the oldest transaction is"
                    f" {holder}: end it, then run `tally migrate` again. What was applied before it stays"
                ) from None
            report(f"{migration.name} steps back, a table is in use; the oldest transaction is {holder}; trying again")
            time.sleep(PAUSE_SECONDS)
        else:
            return
