"""The schema: applied once, whoever asks and how often; refused when it is not this version's."""

import threading

import psycopg
import pytest

from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres
from tally.errors import SchemaError
from tally.migrations import declared, migrate, pending, require_current


@pytest.fixture
def empty_url(postgres: EmbeddedPostgres) -> str:
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute("drop database if exists empty_for_migrations with (force)")
        admin.execute("create database empty_for_migrations")
    return postgres.url("empty_for_migrations")


def test_concurrent_migrations_apply_each_file_once(empty_url: str) -> None:
    applied: list[list[str]] = []

    def run() -> None:
        with connect(empty_url, autocommit=True) as connection:
            applied.append(migrate(connection))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything = [migration.name for migration in declared()]
    assert sorted(applied, key=len) == [[], [], [], everything]


def test_a_second_run_applies_nothing(connection: psycopg.Connection) -> None:
    assert migrate(connection) == []
    assert pending(connection) == []


def test_a_schema_from_the_future_is_refused(connection: psycopg.Connection) -> None:
    connection.execute("insert into tally_schema.migrations (name, checksum) values ('9999_later', 'x')")
    with pytest.raises(SchemaError, match=r"9999_later.*upgrade Tallyledger"):
        require_current(connection)


def test_an_edited_migration_is_refused(connection: psycopg.Connection) -> None:
    connection.execute("update tally_schema.migrations set checksum = 'x' where name = '0001_usage_events'")
    with pytest.raises(SchemaError, match=r"edited since \(0001_usage_events\)"):
        require_current(connection)


def test_missing_migrations_are_refused_by_name(empty_url: str) -> None:
    with connect(empty_url, autocommit=True) as connection, pytest.raises(SchemaError, match="0001_usage_events"):
        require_current(connection)


def test_functions_with_an_exception_block_stay_out_of_parallel_plans(connection: psycopg.Connection) -> None:
    """Up to Postgres 16 such a block, a subtransaction, fails in a parallel plan: only where tables are large."""
    wrong = connection.execute(
        "select proname from pg_proc where pronamespace = 'tally'::regnamespace"
        r" and prosrc ~ '\mexception\s+(--[^\n]*\n\s*)*when' and proparallel <> 'u'"
    ).fetchall()
    assert wrong == []
