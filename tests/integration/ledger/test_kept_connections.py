"""dbt's kept connection is as good as a new one: nothing of a node is left in it, and a lost one is made anew."""

import multiprocessing
from collections.abc import Iterator
from types import SimpleNamespace

import psycopg
import pytest
from dbt.adapters.postgres.connections import PostgresCredentials
from dbt_common.exceptions import DbtDatabaseError
from dbt_common.helper_types import Port
from psycopg.conninfo import conninfo_to_dict

from tally.embedded_postgres import EmbeddedPostgres
from tally.ledger.dbt_adapter import KeptConnections


@pytest.fixture
def kept(database_url: str) -> Iterator[KeptConnections]:
    parts = conninfo_to_dict(database_url)
    credentials = PostgresCredentials(
        host=str(parts["host"]), port=Port(int(parts["port"] or 0)), user=str(parts["user"]),
        password=str(parts["password"]), database=str(parts["dbname"]), schema="public",
    )  # fmt: skip
    comment = SimpleNamespace(comment=None, append=False, job_label=False)
    profile = SimpleNamespace(credentials=credentials, query_comment=comment)
    kept = KeptConnections(profile, multiprocessing.get_context("spawn"))  # type: ignore[no-untyped-call]
    yield kept
    kept.cleanup_all()


def run(kept: KeptConnections, statement: str) -> int:
    """In a node that says nothing of commits; returns the session's process id."""
    connection, _ = kept.add_query(statement)
    pid: int = connection.handle.info.backend_pid
    return pid


def test_a_node_after_a_commit_has_a_transaction_of_its_own(
    kept: KeptConnections, database_url: str, postgres: EmbeddedPostgres
) -> None:
    log = postgres.folder / "postgres.log"
    complained = log.read_text().count("no transaction in progress")
    kept.set_connection_name("commits")
    session = run(kept, "set application_name = 'node'; create table numbers (number int)")
    kept.commit()  # type: ignore[no-untyped-call]
    kept.release()
    kept.set_connection_name("is_ended")
    assert run(kept, "insert into numbers values (1)") == session
    kept.release()
    with psycopg.connect(database_url) as other:
        assert other.execute("select count(*) from numbers").fetchone() == (0,)
        idle = other.execute("select state from pg_stat_activity where pid = %s", [session]).fetchone()
        assert idle == ("idle",)
    assert log.read_text().count("no transaction in progress") == complained


def test_a_lost_connection_is_made_anew(kept: KeptConnections, database_url: str) -> None:
    kept.set_connection_name("loses")
    session = run(kept, "select 1")
    with psycopg.connect(database_url) as other:
        other.execute("select pg_terminate_backend(%s)", [session])
    with pytest.raises(DbtDatabaseError):
        run(kept, "select 2")
    kept.release()
    kept.set_connection_name("finds")
    assert run(kept, "select 3") != session
