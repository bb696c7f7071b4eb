"""The schema, as SQL files applied in order by `tally migrate`: safe to run twice and from several processes."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files

import psycopg

from tally.errors import SchemaError

ADVISORY_LOCK = 7_465_110_001


@dataclass(frozen=True)
class Migration:
    """One SQL file; `checksum` guards an applied one against being edited."""

    name: str
    sql: str
    checksum: str


def declared() -> list[Migration]:
    """Every migration of this version, in order."""
    folder = files(__name__)
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    texts = [(name, (folder / name).read_text()) for name in names]
    return [Migration(name.removesuffix(".sql"), sql, hashlib.sha256(sql.encode()).hexdigest()) for name, sql in texts]


def pending(connection: psycopg.Connection) -> list[Migration]:
    """What `migrate` would apply.

    Raises:
        SchemaError: the database comes from a newer version, or an applied file was edited.
    """
    known = {migration.name: migration for migration in declared()}
    if connection.execute("select to_regclass('tally_schema.migrations')").fetchone() == (None,):
        return list(known.values())
    applied: dict[str, str] = dict(connection.execute("select name, checksum from tally_schema.migrations").fetchall())
    if future := sorted(applied.keys() - known.keys()):
        raise SchemaError(
            f"the database has migrations this version does not know ({', '.join(future)}): upgrade Tallyledger"
        )
    if edited := [name for name in applied if known[name].checksum != applied[name]]:
        raise SchemaError(f"applied migrations were edited since ({', '.join(edited)}): restore them and add a new one")
    return [migration for name, migration in known.items() if name not in applied]


def migrate(connection: psycopg.Connection) -> list[str]:
    """Apply what is pending, all of it in one transaction, and commit; returns the names applied."""
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", (ADVISORY_LOCK,))
        connection.execute("create schema if not exists tally_schema")
        connection.execute(
            "create table if not exists tally_schema.migrations "
            "(name text primary key, checksum text not null, applied_at timestamptz not null default now())"
        )
        todo = pending(connection)
        for migration in todo:
            connection.execute(migration.sql)
            connection.execute(
                "insert into tally_schema.migrations (name, checksum) values (%s, %s)",
                (migration.name, migration.checksum),
            )
    return [migration.name for migration in todo]


def require_current(connection: psycopg.Connection) -> None:
    """Refuse to start on a schema that is not this version's."""
    if todo := pending(connection):
        raise SchemaError(f"{len(todo)} migrations are pending, first {todo[0].name}: run `tally migrate`")
