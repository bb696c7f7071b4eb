"""Webhooks in Dagster: one that waits starts a run, which handles it and says what people should know."""

import dagster as dg
from orchestration import NOW, Stack

from dagster_project.materialize import Materializer


def look(instance: dg.DagsterInstance) -> dg.RunRequest | str | None:
    """Evaluates the sensor as the daemon would: a run, or why there is none."""
    # Imported here: loading definitions reads the settings, which are the fixture's by now.
    from dagster_project.defs.resources import Tally
    from dagster_project.defs.webhooks.sensors import received_webhooks

    result = received_webhooks(dg.build_sensor_context(instance, resources={"tally": Tally()}))
    if isinstance(result, dg.SkipReason):
        return result.skip_message
    assert isinstance(result, dg.RunRequest)
    return result


def test_a_webhook_that_waits_is_handled_by_a_run(stack: Stack) -> None:
    [subscription] = stack.stripe.client.v1.subscriptions.list({"customer": stack.customers["globex"]}).data
    with dg.DagsterInstance.ephemeral() as instance, Materializer(instance) as materializer:
        assert look(instance) == "no webhook waits"
        for event_id, mode in (("evt_1", "false"), ("evt_2", "true")):
            stack.connection.execute(
                "insert into tally.stripe_webhooks (account, livemode, event_id, payload, type, object_id, created_at)"
                f" values ('self', {mode}, %s, 'snapshot', 'customer.subscription.created', %s, %s)",
                (event_id, subscription.id, NOW),
            )
        assert isinstance(look(instance), dg.RunRequest)
        run = materializer.run("handle_webhooks")
        assert run.errors == ()
        said = run.materialized["tally.stripe_webhooks"]
        assert (said["handled"], said["failed"], said["findings"]) == (1, 0, 0)
        # The key is a test key: the live event waits for a live one, and starts no further runs until then.
        waits = "select outcome from tally.stripe_webhooks where state = 'received'"
        assert stack.one(waits) == "the key of this account is a test key"
        assert look(instance) == "no webhook waits"
        assert stack.one("select count(*) from tally.stripe_subscription_items") == 1

        stack.connection.execute(
            "insert into tally.mapping_pauses"
            " values ('acme', 'self', false, 'api_calls', 'no_meter', 'gone', 'evt_3', %s)",
            (NOW,),
        )
        stack.connection.execute("update tally.stripe_webhooks set received_at = now() - interval '1 hour'")
        waiting = materializer.run("handle_webhooks").materialized["tally.stripe_webhooks"]
        assert waiting["findings"] == 2
        assert "nothing goes to api_calls (self, test)" in waiting["what needs a person"]
        assert "1 webhooks wait, the first since" in waiting["what needs a person"]
