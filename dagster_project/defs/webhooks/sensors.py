"""A received webhook starts a run that handles it, one run at a time."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from dagster_project.defs import automation
from dagster_project.defs.jobs import WEBHOOKS, handle_webhooks
from dagster_project.defs.push.assets import NO_KEY
from dagster_project.defs.resources import TallyResource
from dagster_project.lib.unfinished_runs import unfinished_run
from tally.webhooks import is_due

SECONDS_BETWEEN_LOOKS = 10
# A run costs seconds and rows of history: a burst of webhooks shares one.
AT_MOST_EVERY = timedelta(seconds=30)


@dg.sensor(
    name="received_webhooks",
    job=handle_webhooks,
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
    default_status=automation.SENSORS,
    description="Webhooks that nobody has handled start a run that does. Says why when it starts nothing.",
)
def received_webhooks(context: dg.SensorEvaluationContext, tally: TallyResource) -> dg.RunRequest | dg.SkipReason:
    if not tally.has_stripe_key:
        return dg.SkipReason(NO_KEY)
    with tally.connect() as connection:
        if not is_due(connection):
            return dg.SkipReason("no webhook waits")
    if (run_id := unfinished_run(context.instance, WEBHOOKS)) is not None:
        return dg.SkipReason(f"webhooks wait for the end of run {run_id}")
    last = context.instance.get_run_records(dg.RunsFilter(job_name=WEBHOOKS), limit=1)
    due_at = last[0].create_timestamp + AT_MOST_EVERY if last else None
    if due_at is not None and datetime.now(UTC) < due_at:
        return dg.SkipReason(f"webhooks wait: the next run is due at {due_at:%H:%M:%S}Z")
    # No run key: a run that died before it did anything must not keep the next one from starting.
    return dg.RunRequest()
