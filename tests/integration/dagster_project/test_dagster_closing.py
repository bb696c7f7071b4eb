"""The job that closes periods: what it holds and what it found stands in the metadata of its assets."""

from datetime import datetime, timedelta

import dagster as dg
from orchestration import NOW, Stack

from dagster_project.defs.closing.sensors import period_ends
from dagster_project.defs.resources import Tally
from dagster_project.materialize import Materializer


def test_a_period_that_ends_with_something_unsettled_is_held_and_told(stack: Stack, materializer: Materializer) -> None:
    assert materializer.run("sync").is_green
    end: datetime = stack.connection.execute(
        "select period_end from tally.customer_periods where customer_ref = 'globex' order by 1 limit 1"
    ).fetchone()[0]  # type: ignore[index]
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance, resources={"tally": Tally()})
        stack.connection.execute("update tally.simulated_clock set now = %s", (end - timedelta(seconds=1),))
        before = period_ends(context)
        stack.connection.execute("update tally.simulated_clock set now = %s", (end + timedelta(minutes=50),))
        assert isinstance(before, dg.RunRequest)  # nothing was ever closed here: once a day is due
        context = dg.build_sensor_context(instance, cursor="", resources={"tally": Tally()})
        assert isinstance(period_ends(context), dg.RunRequest)
        assert (context.cursor or "").startswith(f"{end:%Y-%m-%d}")
    clock = stack.stripe.client.v1.test_helpers.test_clocks.list().data[0].id
    stack.stripe.advance(clock, end + timedelta(minutes=50))
    # Somebody else's usage on the same meter: Stripe would bill what nobody counted.
    stack.stripe.send(stack.customers["globex"], "api_calls", "7", NOW, "not-ours")
    stack.stripe.until_applied()
    closed = materializer.run("period_close")
    assert closed.errors == ()
    held = closed.materialized["tally.invoice_holds"]
    assert (held["drafts"], held["not settled"], held["held by us"]) == (2, 1, 1)
    assert "foreign writer" in held["what is not settled"]
    assert closed.materialized["tally.closing_rests"]["waiting for a person"] == 0
    assert stack.one("select state from tally.invoice_holds") == "held"
