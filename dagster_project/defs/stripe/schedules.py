"""Subscriptions change while nothing lands: every ten minutes Stripe's side is mirrored anew."""

import dagster as dg

from dagster_project.defs import automation
from dagster_project.defs.jobs import SYNC
from dagster_project.defs.resources import TallyResource


@dg.schedule(
    name="subscription_sync",
    job_name=SYNC,
    cron_schedule="*/10 * * * *",
    default_status=automation.SCHEDULES,
    description="Mirrors subscriptions and periods, so that the next events are dated by the periods that bill them.",
)
def subscription_sync(context: dg.ScheduleEvaluationContext, tally: TallyResource) -> dg.RunRequest | dg.SkipReason:
    if not tally.has_stripe_key:
        return dg.SkipReason("STRIPE_API_KEY is not set: there are no subscriptions to read")
    return dg.RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%dT%H:%M%z}")
