"""A restored ledger reads on exactly where it stood: nothing skipped, nothing repeated, winners stay winners."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from backed_up import bounds, contents, fill, usage
from metered_month import land

from tally.backup import RestampRefused, adopt_ids, backup, plan, restamp, restore
from tally.database import connect
from tally.errors import LedgerError
from tally.ledger import Ledger


def quietly(table: str) -> None:
    pass


@pytest.fixture
def source(built_database_url: str, tmp_path: Path) -> Iterator[psycopg.Connection]:
    with connect(built_database_url, autocommit=True) as connection:
        fill(connection, built_database_url, tmp_path / "dbt")
        yield connection


@pytest.fixture
def restored(
    source: psycopg.Connection, built_database_url: str, empty_url: str, tmp_path: Path
) -> Iterator[psycopg.Connection]:
    """The source, restored into another cluster, not re-stamped yet."""
    backup(built_database_url, tmp_path / "tally.backup", quietly)
    assert restore(empty_url, tmp_path / "tally.backup", quietly) == []
    with connect(empty_url, autocommit=True) as connection:
        connection.execute("analyze")
        yield connection


def test_the_restored_ledger_counts_on_as_the_old_one_would_have(
    source: psycopg.Connection,
    restored: psycopg.Connection,
    built_database_url: str,
    empty_url: str,
    tmp_path: Path,
) -> None:
    assert len(set(bounds(source).values())) == 3
    old, new = Ledger(built_database_url, tmp_path / "dbt"), Ledger(empty_url, tmp_path / "dbt")
    with pytest.raises(LedgerError, match=r"docs/runbooks/restore\.md"):
        new.tick()
    # A door that was started too early: what it lands is new, an event and a repeat alike.
    for connection in (source, restored):
        land(connection, usage("g", 60, 50, first_seq=900_000))
        land(connection, usage("e", 40, 51, first_seq=900_100))

    done = restamp(restored)
    assert sum(done.rows.values()) > 100
    assert len(set(bounds(restored).values())) == 3
    assert max(bounds(restored).values()) < 600
    old.tick()
    new.tick()
    assert contents(restored) == contents(source)

    for connection in (source, restored):
        land(connection, usage("h", 70, 60, first_seq=900_200))
        land(connection, usage("a", 0, 61, first_seq=900_300))
    old.tick()
    build = new.build()
    assert [test.name for test in build.failed] == []
    counted = contents(restored, with_ids=True)
    assert contents(restored) == contents(source)
    new.refresh()
    assert contents(restored, with_ids=True) == counted
    assert contents(restored) == contents(source)


def test_a_decision_stays_with_its_delivery(restored: psycopg.Connection) -> None:
    restamp(restored)
    joined = restored.execute(
        "select idempotency_key, quantity from tally.conflict_decisions"
        " inner join ledger.int_usage_events_conflicts using (tenant_id, idempotency_key, xid, seq)"
        " inner join raw.usage_events using (tenant_id, idempotency_key, xid, seq, quantity)"
    ).fetchall()
    assert joined == [("b-sum", 99)]


@pytest.mark.thorough
def test_no_table_with_transaction_ids_is_forgotten(restored: psycopg.Connection) -> None:
    """Every id is below what this cluster had given out before the restore; ids of either cluster would not be."""
    restamp(restored)
    columns = restored.execute(
        "select attrelid::regclass::text, attname from pg_attribute inner join pg_class as relation on oid = attrelid"
        " where atttypid = 'xid8'::regtype and relkind = 'r' and relnamespace <> 'pg_catalog'::regnamespace"
    ).fetchall()
    assert len(columns) > 8
    for table, column in columns:
        assert restored.execute(f"select count(*) from {table} where {column} >= '600'").fetchone() == (0,), table


@pytest.mark.thorough
def test_a_dry_run_says_what_would_be_done_and_writes_nothing(restored: psycopg.Connection) -> None:
    before = bounds(restored), contents(restored, with_ids=True)
    found = plan(restored)
    assert found.from_cluster not in (None, found.to_cluster)
    assert {model: int(old) for model, (old, _) in found.bounds.items()} == before[0]
    assert found.relations[-1] == "ledger.int_usage_events_deduplicated"
    assert "raw.usage_events_default" in found.relations
    assert (bounds(restored), contents(restored, with_ids=True)) == before


@pytest.mark.thorough
def test_a_second_restamp_finds_nothing_to_do(restored: psycopg.Connection) -> None:
    restamp(restored)
    before = contents(restored, with_ids=True)
    assert plan(restored).from_cluster is None
    assert restamp(restored).rows == {}
    assert contents(restored, with_ids=True) == before


@pytest.mark.thorough
def test_a_cluster_that_carries_the_ids_on_only_adopts_the_bounds(
    source: psycopg.Connection, built_database_url: str, tmp_path: Path
) -> None:
    """What pg_upgrade leaves: the same rows, written by the same transactions, under another system identifier."""
    source.execute("update tally.model_bounds set system_identifier = 'another'")
    with pytest.raises(RestampRefused, match="--ids-carried-on"):
        restamp(source)
    assert len(adopt_ids(source, dry_run=True)) == len(adopt_ids(source)) == 8
    Ledger(built_database_url, tmp_path / "dbt").tick()


@pytest.mark.thorough
def test_a_restored_database_is_not_taken_for_one_that_carried_on(restored: psycopg.Connection) -> None:
    restored.execute("update tally.model_bounds set read_to = (pg_current_xact_id()::text::bigint + 1000)::text::xid8")
    with pytest.raises(RestampRefused, match="does not continue"):
        adopt_ids(restored)


@pytest.mark.thorough
def test_bounds_of_two_clusters_are_refused(restored: psycopg.Connection) -> None:
    restored.execute(
        "update tally.model_bounds set system_identifier = 'third' where model = 'ledger.int_usage_counters'"
    )
    with pytest.raises(RestampRefused, match="several clusters"):
        restamp(restored)


@pytest.mark.thorough
def test_rows_without_any_bound_are_read_as_new(
    database_url: str, empty_url: str, tmp_path: Path, connection: psycopg.Connection
) -> None:
    """A backup from before the first tick, of a cluster that was further on than this one."""
    with connect(empty_url, autocommit=True) as empty:
        [(ahead,)] = empty.execute("select pg_current_xact_id()::text::bigint + 200").fetchall()
    while connection.execute("select pg_current_xact_id()::text::bigint").fetchone() < (ahead,):
        pass
    connection.execute(
        "insert into raw.usage_events (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time)"
        " values ('acme', 'a', 'globex', 'sum', 1, now())"
    )
    backup(database_url, tmp_path / "tally.backup", quietly)
    restore(empty_url, tmp_path / "tally.backup", quietly)
    with connect(empty_url, autocommit=True) as restored:
        assert restamp(restored).from_cluster == "unknown"
        assert restored.execute("select xid::text from raw.usage_events").fetchall() == [("3",)]
        assert restamp(restored).rows == {}
