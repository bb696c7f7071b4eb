"""What looks without anybody asking: billing's health, senders that fall silent, disputed pushes."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg
import psycopg
import pytest
from orchestration import METRIC, MONTH, NOW, TENANT, Stack, land
from sensor_looks import Looks

from dagster_project.materialize import Materializer

HEALTH = dg.AssetKey(["billing", "health"])


@pytest.fixture
def instance(environment: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def kept_instance(environment: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """The one of DAGSTER_HOME: an instance in memory keeps no verdicts of looks without a run."""
    with dg.DagsterInstance.get() as opened:
        yield opened


def checks(instance: dg.DagsterInstance) -> dict[str, bool]:
    """What the health page shows: the latest verdict of each of its checks."""
    from dagster_project.defs.health.assets import CHECKS

    verdicts = {}
    for name in CHECKS.values():
        key = dg.AssetCheckKey(HEALTH, name)
        [record] = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
        assert record.event is not None
        evaluation = record.event.dagster_event.event_specific_data  # type: ignore[union-attr]
        verdicts[name] = evaluation.passed
    return verdicts


def test_billing_health_answers_by_stage_and_is_written_down_when_it_changes(
    kept_instance: dg.DagsterInstance, stack: Stack
) -> None:
    look = Looks(kept_instance, "health_looks")
    look()
    assert "Billing is healthy" in look.reason
    assert set(checks(kept_instance).values()) == {True}
    look()
    assert look.reason.startswith("as it was at ")
    stack.land("a")
    stack.connection.execute("update tally.simulated_clock set now = now + interval '1 hour'")
    look()
    assert "Something needs a person: counted (1)" in look.reason
    assert [name for name, passed in checks(kept_instance).items() if not passed] == ["1_what_landed_is_counted"]
    page = kept_instance.get_latest_materialization_event(HEALTH)
    assert page is not None
    facts = page.asset_materialization.metadata  # type: ignore[union-attr]
    assert facts["deliveries waiting"].value == 1
    assert "| counted | acme | the oldest delivery that is not counted waits for" in str(facts["what needs a person"])
    # A run of the asset says the same as a look without one.
    with Materializer() as materializer:
        run = materializer.run("check_health")
    assert {check.name: check.passed for check in run.checks} == checks(kept_instance)
    assert run.materialized["billing.health"]["findings"] == 1


def test_the_documentation_is_written_once_for_each_state_of_the_models(
    instance: dg.DagsterInstance, built_connection: psycopg.Connection
) -> None:
    look = Looks(instance, "changed_models")
    assert look() == []
    assert look.reason == "nothing is counted yet"
    land(built_connection, "a")
    [asked] = look()
    assert asked.run_key
    assert look() == []
    look.cursor = "another state"
    assert [again.run_key for again in look()] == [asked.run_key]


def test_a_disputed_push_has_its_month_reconciled_once(instance: dg.DagsterInstance, stack: Stack) -> None:
    look = Looks(instance, "disputed_intents")
    assert look() == []
    assert look.reason == "no push intent is disputed"
    # One of a month that TALLY_MONTHS leaves out fails no look, and is not taken for seen.
    intent, outside = dispute(stack.connection), dispute(stack.connection, 2023)
    [request] = look()
    assert request.partition_key == MONTH
    assert look() == []
    assert look.cursor == intent
    assert {intent, outside} <= set(look.reason.replace(",", " ").replace(".", " ").split())
    assert "`tally decide` settles" in look.reason
    assert "Dagster does not reconcile 2023-03: TALLY_MONTHS is 2024-01" in look.reason
    stack.connection.execute("update tally.push_intents set state = 'confirmed'")
    assert look() == []
    assert look.reason == "no push intent is disputed"


def test_a_sender_that_falls_silent_has_usage_checked_at_once_and_by_name(
    instance: dg.DagsterInstance, stack: Stack, materializer: Materializer
) -> None:
    for customer, silent_hours in (("globex", 0), ("initech", 30)):
        arrive(stack.connection, customer, silent_hours)
    assert materializer.run("tick").success
    look = Looks(instance, "stale_data")
    assert len(look()) == 1
    assert look() == []
    assert look.reason.startswith("nobody fell silent or came back: 1 senders have stopped while others arrive")
    checked = materializer.run("check_usage")
    assert checked.is_green  # a customer may stop; that is worth a look and no fault of ours
    assert {check.name for check in checked.checks if not check.passed} == {"usage_keeps_arriving"}
    [silent] = [check for check in checked.checks if not check.passed]
    assert silent.asset == "raw.usage_events"
    assert "| acme | initech | api_calls |" in silent.metadata["worst"]
    assert "globex" not in silent.metadata["worst"]


def dispute(connection: psycopg.Connection, year: int = 2024) -> str:
    row = connection.execute(
        "insert into tally.push_intents (tenant_id, account, livemode, customer_ref, metric, period_start, period_end,"
        " seq, value, counter_value, event_name, stripe_customer_id, event_ts, identifier, state, planned_at)"
        " values (%(tenant)s, 'self', false, 'globex', %(metric)s, make_timestamptz(%(year)s, 3, 1, 8, 30, 15, 'UTC'),"
        " make_timestamptz(%(year)s, 4, 1, 8, 30, 15, 'UTC'), 1, 5, 5, %(metric)s, 'cus_1', %(now)s, %(year)s::text,"
        " 'disputed', %(now)s) returning intent_id::text",
        {"tenant": TENANT, "metric": METRIC, "now": NOW, "year": year},
    ).fetchone()
    assert row is not None
    return str(row[0])


def arrive(connection: psycopg.Connection, customer: str, silent_hours: int) -> None:
    """An event an hour for ten days, up to `silent_hours` before NOW."""
    connection.execute(
        "insert into raw.usage_events"
        " (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, landed_at)"
        " select %(tenant)s, %(customer)s || at, %(customer)s, %(metric)s, 1, at, at"
        " from generate_series(%(first)s, %(last)s, interval '1 hour') as at",
        {
            "tenant": TENANT, "customer": customer, "metric": METRIC,
            "first": NOW - timedelta(days=10), "last": NOW - timedelta(hours=silent_hours, minutes=1),
        },
    )  # fmt: skip
