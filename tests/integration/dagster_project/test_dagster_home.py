"""Dagster's home and storage, as `tally up`, the demo and compose prepare them."""

from pathlib import Path

import dagster as dg
import psycopg
import pytest
import sqlalchemy

from dagster_project.run_launcher import WatchedRunLauncher
from tally.dagster_home import prepare
from tally.errors import SettingsError
from tally.settings import Settings


def settings(home: Path) -> Settings:
    return Settings.model_validate({"TALLY_HOME": home})


def test_preparing_twice_changes_nothing(database_url: str, connection: psycopg.Connection, tmp_path: Path) -> None:
    assert prepare(settings(tmp_path), database_url) == prepare(settings(tmp_path), database_url)
    assert (tmp_path / "dagster" / "dagster.yaml").exists()
    assert connection.execute("select to_regnamespace('dagster') is not null").fetchone() == (True,)


def test_the_environment_names_absolute_places_and_the_given_database(database_url: str, tmp_path: Path) -> None:
    variables = prepare(settings(tmp_path), database_url)
    assert variables["DATABASE_URL"] == database_url
    assert Path(variables["DAGSTER_HOME"]).is_absolute()
    assert Path(variables["TALLY_HOME"]).is_absolute()


@pytest.mark.parametrize(
    ("url", "storage"),
    [
        ("postgres://a:b@h/d", "postgresql://a:b@h/d?options=-csearch_path%3Ddagster"),
        ("postgresql://h/d?sslmode=require", "postgresql://h/d?sslmode=require&options=-csearch_path%3Ddagster"),
        (
            "postgresql://h/d?options=-cstatement_timeout%3D5s",
            "postgresql://h/d?options=-cstatement_timeout%3D5s%20-csearch_path%3Ddagster",
        ),
    ],
)
def test_the_storage_is_a_schema_of_its_own_whatever_else_the_url_asks(url: str, storage: str) -> None:
    from tally import dagster_home

    assert dagster_home.storage_url(url) == storage


def test_a_database_url_that_is_no_url_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        prepare(settings(tmp_path), "host=localhost dbname=tally")


def test_dagster_keeps_its_tables_there_and_sends_nothing_anywhere(
    environment: pytest.MonkeyPatch, built_connection: psycopg.Connection
) -> None:
    with dg.DagsterInstance.get() as instance:
        assert instance.telemetry_enabled is False
        assert instance.nux_enabled is False
        assert instance.is_persistent
        assert isinstance(instance.run_launcher, WatchedRunLauncher)
        assert instance.run_monitoring_enabled
        assert instance.run_retries_enabled
        assert not instance.run_retries_retry_on_asset_or_op_failure
        pools = instance.event_log_storage.get_pool_config()
        assert (pools.default_pool_limit, pools.pool_granularity and pools.pool_granularity.value) == (1, "op")
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        assert queue.max_concurrent_runs == 4
    schemas = built_connection.execute(
        "select distinct schemaname from pg_tables where tablename = 'event_logs'"
    ).fetchall()
    assert schemas == [("dagster",)]


def test_the_layout_of_dagsters_tables_is_asked_for_once(
    environment: pytest.MonkeyPatch, built_connection: psycopg.Connection
) -> None:
    asked: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        asked.append(statement)

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", note)
    try:
        with dg.DagsterInstance.get() as instance:
            for number in range(2):
                asked.clear()
                instance.report_runless_asset_event(dg.AssetMaterialization("counted", tags={"number": str(number)}))
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", note)
    assert [statement for statement in asked if statement.startswith("INSERT INTO event_logs")]
    assert [statement for statement in asked if "pg_catalog.pg_attribute" in statement] == []
    assert built_connection.execute("select count(*) from dagster.asset_keys").fetchone() == (1,)
