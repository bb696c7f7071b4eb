"""Replays through Dagster: a tenant's month is shown with its hash, and a second job applies exactly that."""

from collections.abc import Iterator
from decimal import Decimal

import dagster as dg
import psycopg
import pytest
from orchestration import MONTH, TENANT, land
from sensor_looks import Looks

from dagster_project.definitions import defs

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture
def instance(environment: pytest.MonkeyPatch, built_connection: psycopg.Connection) -> Iterator[dg.DagsterInstance]:
    """With the declared tenant among its partitions, as the sensor makes it."""
    with dg.DagsterInstance.ephemeral() as instance:
        look = Looks(instance, "declared_tenants")
        look()
        assert instance.get_dynamic_partitions("tenants") == [TENANT]
        look()
        assert look.reason == "1 tenants are declared and all of them are partitions"
        yield instance


def run(
    instance: dg.DagsterInstance, job: str, config: dict[str, object], partition: str | None = None
) -> dict[str, object]:
    """The metadata of the job's one output."""
    ops = {"ops": {{"replay_month": "shown_replay", "apply_replay": "applied_replay"}[job]: {"config": config}}}
    result = (
        defs()
        .resolve_job_def(job)
        .execute_in_process(instance=instance, partition_key=partition, run_config={**ops, **QUIET})
    )
    (event,) = [event for event in result.all_events if event.is_successful_output]
    return {name: entry.value for name, entry in event.step_output_data.metadata.items()}


def test_a_month_is_shown_and_then_applied_by_its_hash(
    instance: dg.DagsterInstance, built_connection: psycopg.Connection
) -> None:
    land(built_connection, "a", "b", quantity=5)
    defs().resolve_job_def("tick").execute_in_process(instance=instance, run_config=QUIET)
    built_connection.execute("insert into tally.event_reversals values ('acme', 'a', 'test', now(), 'ann')")
    shown = run(instance, "replay_month", {}, f"{MONTH}|{TENANT}")
    assert (shown["counters that change"], shown["held"], shown["state"]) == (1, 0, "shown")
    assert "| globex | api_calls |" in str(shown["differences"])
    assert value(built_connection) == Decimal(10)
    assert f"hash: {shown['hash']}" in str(shown["to apply it"])
    applied = run(instance, "apply_replay", {"hash": shown["hash"]})
    assert (applied["state"], applied["hash"]) == ("applied", shown["hash"])
    assert value(built_connection) == Decimal(5)
    assert run(instance, "replay_month", {}, f"{MONTH}|{TENANT}")["counters that change"] == 0


def test_another_month_has_nothing_to_show(instance: dg.DagsterInstance, built_connection: psycopg.Connection) -> None:
    land(built_connection, "a")
    defs().resolve_job_def("tick").execute_in_process(instance=instance, run_config=QUIET)
    assert run(instance, "replay_month", {}, f"2024-02|{TENANT}")["events in scope"] == 0


def test_a_hash_that_nobody_was_shown_fails(instance: dg.DagsterInstance, built_connection: psycopg.Connection) -> None:
    from tally.replay import UnknownHash

    with pytest.raises(UnknownHash, match="no replay was shown under"):
        run(instance, "apply_replay", {"hash": "0" * 64})


def value(connection: psycopg.Connection) -> Decimal:
    row = connection.execute("select value from marts.usage_counters").fetchone()
    assert row is not None
    value: Decimal = row[0]
    return value
