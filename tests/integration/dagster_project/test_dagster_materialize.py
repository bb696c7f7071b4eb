"""Whole runs through Dagster, on its Postgres storage: what they move, what they record, and what stops them."""

from datetime import timedelta
from decimal import Decimal

import psycopg
import pytest
from orchestration import METRIC, MONTH, NOW, Stack, land

from dagster_project.materialize import Materializer
from tally.settings import load_settings


def test_a_tick_counts_what_landed_and_tells_stripe(stack: Stack, materializer: Materializer) -> None:
    stack.land("a", "b", "a", quantity=5)
    assert materializer.run("sync").is_green
    tick = materializer.run("tick")
    assert tick.errors == ()
    assert tick.is_green
    assert tick.materialized["staging.stg_usage_events"]["rows to read"] == 3
    assert tick.materialized["ledger.int_usage_events_deduplicated"]["rows written"] == 2
    assert tick.materialized["tally.push_intents"]["differences confirmed"] == 1
    assert stack.one("select value from marts.usage_counters") == Decimal(10)
    stack.stripe.until_applied()
    assert stack.stripe.applied() == {(stack.customers["globex"], METRIC): Decimal(10)}


def test_a_tick_over_nothing_new_sends_nothing(stack: Stack, materializer: Materializer) -> None:
    stack.land("a")
    for job in ("sync", "tick"):
        assert materializer.run(job).is_green
    again = materializer.run("tick")
    assert again.is_green
    assert again.materialized["tally.push_intents"]["differences planned"] == 0
    assert stack.one("select count(*) from tally.push_intents") == 1


def test_runs_are_kept_in_the_schema_dagster_of_the_same_database(stack: Stack) -> None:
    with Materializer() as materializer:
        run = materializer.run("sync")
    assert run.is_green
    assert stack.connection.execute("select run_id, status from dagster.runs").fetchall() == [(run.run_id, "SUCCESS")]
    assert stack.one("select count(*) from dagster.event_logs where dagster_event_type = 'ASSET_MATERIALIZATION'") == 2


def test_a_month_that_agrees_is_reported(stack: Stack, materializer: Materializer) -> None:
    stack.land("a", "b", quantity=5)
    stack.land("c", customer="initech")
    for job in ("sync", "tick"):
        assert materializer.run(job).is_green
    stack.stripe.until_applied()
    reconciled = materializer.run("reconcile", MONTH)
    assert reconciled.errors == ()
    assert [(check.name, check.month, check.passed) for check in reconciled.checks] == [
        ("usage_parity_within_epsilon", MONTH, True)
    ]
    assert reconciled.materialized["marts.reconciliation_lines"]["verdict"] == "ok"
    assert reconciled.materialized["reports.reconciliation_report"]["reports"] == 1
    assert sorted(path.suffix for path in (stack.home / "reports" / "acme").iterdir()) == [
        ".csv",
        ".html",
        ".json",
        ".parquet",
    ]


def test_a_month_without_usage_is_reported_as_empty_of_nothing(stack: Stack, materializer: Materializer) -> None:
    """Nothing counted, nothing sent, nothing billed: that agrees."""
    reconciled = materializer.run("reconcile", "2024-02")
    assert reconciled.is_green
    assert reconciled.checks[0].metadata["lines"] == 0


def test_a_break_turns_the_run_red_and_stands_in_the_report(stack: Stack, materializer: Materializer) -> None:
    """Somebody else writes to the meter: Stripe would bill more than was used."""
    stack.land("a", quantity=5)
    for job in ("sync", "tick"):
        assert materializer.run(job).is_green
    stack.stripe.send(stack.customers["globex"], METRIC, "7", NOW - timedelta(hours=1), "not-ours")
    stack.stripe.until_applied()
    reconciled = materializer.run("reconcile", MONTH)
    assert not reconciled.is_green
    (failed,) = reconciled.failed_checks
    assert failed.name == "usage_parity_within_epsilon"
    assert failed.metadata["breaking lines"] == 1
    assert "globex" in failed.metadata["lines that break"]
    assert "foreign writer" in failed.metadata["lines that break"]
    (page,) = (stack.home / "reports" / "acme").glob("*.html")
    assert "foreign writer" in page.read_text().lower()
    assert not reconciled.success
    assert "blocking asset check failed" in reconciled.errors[0]


def test_the_other_month_is_untouched_by_a_break_in_this_one(stack: Stack, materializer: Materializer) -> None:
    stack.land("a")
    assert materializer.run("sync").is_green
    assert materializer.run("tick").is_green
    stack.stripe.send(stack.customers["globex"], METRIC, "7", NOW - timedelta(hours=1), "not-ours")
    stack.stripe.until_applied()
    assert not materializer.run("reconcile", MONTH).is_green
    assert materializer.run("reconcile", "2024-04").is_green


def test_without_a_stripe_key_the_counters_go_on_and_nothing_is_sent(
    built_connection: psycopg.Connection, materializer: Materializer
) -> None:
    land(built_connection, "a", "b")
    tick = materializer.run("tick")
    assert tick.is_green
    assert tick.materialized["ledger.int_usage_counters"]["rows written"] == 1
    assert "tally.push_intents" not in tick.materialized
    assert [(check.passed, check.is_error) for check in tick.checks] == [(False, False)]
    assert "STRIPE_API_KEY is not set" in tick.checks[0].metadata["why"]
    reconciled = materializer.run("reconcile", MONTH)
    assert not reconciled.success
    assert any("STRIPE_API_KEY is not set" in error for error in reconciled.errors)


def test_a_key_that_stripe_does_not_know_fails_the_tick_after_counting(
    stack: Stack, materializer: Materializer, environment: pytest.MonkeyPatch
) -> None:
    stack.land("a")
    assert materializer.run("sync").is_green
    environment.setenv("STRIPE_API_KEY", "sk_test_" + "not-one")
    load_settings.cache_clear()
    tick = materializer.run("tick")
    assert not tick.success
    assert any("tally push resume" in error for error in tick.errors)
    assert stack.one("select value from marts.usage_counters") == Decimal(1)


def test_a_customer_without_a_subscription_is_shown_and_warned_of(stack: Stack, materializer: Materializer) -> None:
    stack.land("a", customer="hooli", quantity=3)
    assert materializer.run("sync").is_green
    tick = materializer.run("tick")
    assert tick.is_green
    assert [(check.passed, check.is_error) for check in tick.checks] == [(False, False)]
    assert "hooli" in tick.checks[0].metadata["counters held back"]
    assert tick.materialized["tally.push_intents"]["held back"] == 1


def test_every_dbt_test_runs_and_a_planted_fault_turns_its_own_red(
    built_connection: psycopg.Connection, materializer: Materializer
) -> None:
    from dagster_project.defs.ledger.asset_checks import CHECKS

    land(built_connection, "a", "b")
    assert materializer.run("tick").success
    sound = materializer.run("verify_ledger")
    assert sound.is_green
    assert len(sound.checks) == len(CHECKS)
    built_connection.execute(
        "update ledger.int_usage_counters set quantity_max = quantity_max + 1, quantity_sum = quantity_sum + 1"
    )
    broken = materializer.run("verify_ledger")
    assert not broken.is_green
    assert {check.name for check in broken.failed_checks} == {"assert_counters_match_the_ledger", "assert_hours_add_up"}
