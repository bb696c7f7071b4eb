"""A daemon that was down for a day: every cursor comes from data, so the first look at each sensor is enough."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

import dagster as dg
import psycopg
import pytest
from orchestration import METRIC, TENANT, Stack
from sensor_looks import Looks, repository_of_this_process

from dagster_project.materialize import Materializer

END = datetime.fromisoformat("2024-04-01T08:30:15+00:00")


@pytest.fixture
def instance(environment: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def test_a_day_without_a_daemon_is_caught_up_in_order_by_one_look_each(
    instance: dg.DagsterInstance, stack: Stack
) -> None:
    landed_rows, period_ends = Looks(instance, "landed_rows"), Looks(instance, "period_ends")
    with Materializer(instance) as materializer:
        assert materializer.run("sync").is_green
        land(stack.connection, "before", END - timedelta(hours=13), 1)
        assert [request.job_name for request in landed_rows()] == ["tick"]
        assert materializer.run("tick").is_green

        # The daemon is down for a day, in which both customers' period ends and usage of both periods lands.
        for hour in range(-12, 13):
            land(stack.connection, f"at {hour}", END + timedelta(hours=hour), 1)
        pass_time(stack, END + timedelta(hours=12))

        # The next periods are known from the mirror; so one tick takes all of it, and the push of both periods with it.
        [asked] = landed_rows()
        assert asked.job_name == "tick"
        tick = materializer.run("tick")
        assert tick.is_green
        assert tick.materialized["ledger.int_usage_events_deduplicated"]["rows written"] == 25
        assert tick.materialized["tally.push_intents"]["differences confirmed"] == 2
        assert landed_rows() == []
        assert len(period_ends()) == 1
        assert (period_ends.cursor or "").startswith(f"{END:%Y-%m-%dT%H}")
        assert months_to_reconcile() == ["2024-03", "2024-04"]
    stack.stripe.until_applied()
    assert stack.stripe.applied() == {(stack.customers["globex"], METRIC): Decimal(26)}


def land(connection: psycopg.Connection, key: str, at: datetime, quantity: int) -> None:
    connection.execute(
        "insert into raw.usage_events"
        " (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, landed_at)"
        " values (%s, %s, 'globex', %s, %s, %s, %s)",
        (TENANT, key, METRIC, quantity, at, at),
    )


def pass_time(stack: Stack, to: datetime) -> None:
    stack.connection.execute("update tally.simulated_clock set now = %s", (to,))
    clock = stack.stripe.client.v1.test_helpers.test_clocks.list().data[0].id
    stack.stripe.advance(clock, to)


def months_to_reconcile() -> list[str | None]:
    from dagster_project.defs.resources import Tally

    repository = repository_of_this_process()
    with dg.build_schedule_context(
        repository_def=repository, resources={"tally": Tally()}, scheduled_execution_time=END + timedelta(hours=12)
    ) as context:
        seen = repository.get_schedule_def("hourly_reconciliation").evaluate_tick(context)
    return [request.partition_key for request in seen.run_requests or ()]
