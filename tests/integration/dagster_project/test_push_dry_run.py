"""A push that only says what it would send, in Dagster."""

from pathlib import Path

import dagster as dg
from counter_rows import put_counter
from orchestration import METRIC, NOW, TENANT, Stack

from dagster_project.defs.push.assets import PUSH_INTENTS, push_intents
from dagster_project.defs.resources import Tally
from tally.clock import FixedClock
from tally.stripe.sync import sync_subscriptions


def test_a_dry_run_lists_what_would_be_sent_and_sends_nothing(stack: Stack, tmp_path: Path) -> None:
    sync_subscriptions(stack.connection, stack.stripe.account, TENANT, FixedClock(NOW))
    [period] = stack.connection.execute(
        "select period_start, period_end from tally.customer_periods"
        " where customer_ref = 'globex' and period_start <= %s and period_end > %s",
        (NOW, NOW),
    ).fetchall()
    put_counter(stack.connection, TENANT, "globex", METRIC, 5, period, NOW)
    put_counter(stack.connection, TENANT, "nobody", METRIC, 1, period, NOW)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [push_intents],
            instance=instance,
            resources={"tally": Tally()},
            run_config={"ops": {"tally__push_intents": {"config": {"dry_run": True}}}},
        )
        [observed] = instance.fetch_observations(PUSH_INTENTS, limit=5).records
    assert result.success
    assert result.asset_materializations_for_node("tally__push_intents") == []
    assert observed.asset_observation is not None
    said = {name: value.value for name, value in observed.asset_observation.metadata.items()}
    assert (said["differences that would be sent"], said["held back"]) == (1, 1)
    assert "globex" in str(said["would be sent"])
    assert "no synced subscription" in str(said["held back because"])
    assert stack.one("select count(*) from tally.push_intents") == 0
    assert stack.stripe.arrivals() == {}
