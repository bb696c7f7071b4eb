"""Alerts in Dagster: failed runs and checks are alerts, a failing run is told at once, and the loop stands in."""

import threading

import dagster as dg
import psycopg
import pytest

from dagster_project.lib.alert_watch import AlertWatch
from tally import alerts
from tally.settings import load_settings


@pytest.fixture
def definitions(environment: pytest.MonkeyPatch) -> dg.Definitions:
    # Imported here: loading definitions reads the settings, which are the fixture's by now.
    from dagster_project.definitions import defs

    return defs()


def look(instance: dg.DagsterInstance, definitions: dg.Definitions) -> str:
    """Evaluates the sensor as the daemon would; what it says."""
    from dagster_project.defs.alerts.sensors import alerts_sensor
    from dagster_project.defs.resources import Tally

    repository = definitions.get_repository_def()
    context = dg.build_sensor_context(instance, repository_def=repository, resources={"tally": Tally()})
    result = alerts_sensor(context)
    assert isinstance(result, dg.SkipReason)
    return result.skip_message or ""


def run_tick(instance: dg.DagsterInstance, *, fails: bool, partition: str | None = None) -> dg.ExecuteInProcessResult:
    """A run of a job named like the real one, which does nothing or fails."""

    @dg.op
    def work() -> None:
        if fails:
            raise dg.Failure("the disk is full")

    @dg.job(name="tick")
    def tick() -> None:
        work()

    tags = {"dagster/partition": partition} if partition else {}
    return tick.execute_in_process(instance=instance, raise_on_error=False, tags=tags)


def open_alerts(connection: psycopg.Connection) -> set[tuple[str, str, str]]:
    return {(alert.tenant_id, alert.kind, alert.subject) for alert in alerts.list_alerts(connection)}


def test_failed_runs_and_checks_are_alerts_until_the_next_one_is_well(
    definitions: dg.Definitions, built_connection: psycopg.Connection
) -> None:
    from dagster_project.defs.alerts.sensors import run_failures
    from dagster_project.defs.resources import Tally
    from dagster_project.defs.usage_checks.asset_checks import check_usage

    with dg.DagsterInstance.ephemeral() as instance:
        assert look(instance, definitions) == (
            "0 alerts are open, 0 began, 0 ended; nobody is told: no channel is set up"
        )
        failed = run_tick(instance, fails=True)
        context = dg.build_run_status_sensor_context(
            sensor_name="run_failures",
            dagster_event=failed.get_run_failure_event(),
            dagster_instance=instance,
            dagster_run=failed.dagster_run,
            resources={"tally": Tally()},
        )
        assert isinstance(run_failures(context.for_run_failure()), dg.SkipReason)
        assert open_alerts(built_connection) == {("*", "run_failed", "tick")}
        [alert] = alerts.list_alerts(built_connection)
        assert failed.dagster_run.run_id in alert.sentence

        run_tick(instance, fails=True, partition="2024-03")
        asset, name = min(check_usage.check_keys, key=str)
        for passed in (True, False):
            instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(asset_key=asset, check_name=name, passed=passed)
            )
        look(instance, definitions)
        check = ("*", "check_failed", dg.AssetCheckKey(asset, name).to_user_string())
        assert open_alerts(built_connection) == {
            ("*", "run_failed", "tick"),
            ("*", "run_failed", "tick 2024-03"),
            check,
        }

        # Another partition's success says nothing about this one's.
        run_tick(instance, fails=False)
        instance.report_runless_asset_event(dg.AssetCheckEvaluation(asset_key=asset, check_name=name, passed=True))
        assert "1 alerts are open, 0 began, 2 ended" in look(instance, definitions)
        assert open_alerts(built_connection) == {("*", "run_failed", "tick 2024-03")}


def test_the_loop_looks_where_dagster_does_not(
    environment: pytest.MonkeyPatch, built_connection: psycopg.Connection
) -> None:
    watch = AlertWatch(load_settings(), threading.Event())
    assert watch.look() is True
    assert watch.look() is False
    built_connection.execute(
        "insert into tally.alert_evaluators (evaluator, evaluated_at) values ('dagster', now() - interval '4 minutes')"
    )
    built_connection.execute(
        "update tally.alert_evaluators set evaluated_at = now() - interval '4 minutes' where evaluator = 'loop'"
    )
    assert watch.look() is True
    assert open_alerts(built_connection) == {("*", "dagster_silent", "sensors")}
