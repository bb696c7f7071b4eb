"""Reports of dropped meter events exist whether or not a webhook brings them: Stripe is asked for them every hour."""

import dagster as dg

from dagster_project.defs import automation
from dagster_project.defs.jobs import handle_webhooks
from dagster_project.defs.push.assets import NO_KEY
from dagster_project.defs.resources import TallyResource


@dg.schedule(
    name="report_poll",
    job=handle_webhooks,
    cron_schedule="35 * * * *",
    default_status=automation.SCHEDULES,
    description="Looks for Stripe's reports of dropped meter events that no webhook brought, and handles them.",
)
def report_poll(context: dg.ScheduleEvaluationContext, tally: TallyResource) -> dg.RunRequest | dg.SkipReason:
    if not tally.has_stripe_key:
        return dg.SkipReason(NO_KEY)
    return dg.RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%dT%H:%M%z}")
