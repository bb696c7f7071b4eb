"""Every hour the open months are reconciled, each in a run of its own; once a night the ledger proves itself."""

from collections.abc import Iterator

import dagster as dg

from dagster_project.defs import automation
from dagster_project.defs.jobs import RECONCILE, VERIFY_LEDGER
from dagster_project.defs.partitions import months, outside_of_months
from dagster_project.defs.resources import TallyResource
from tally.months import open_months


@dg.schedule(
    name="hourly_reconciliation",
    job_name=RECONCILE,
    cron_schedule="7 * * * *",
    default_status=automation.SCHEDULES,
    description="Reconciles every month whose periods have not all been settled for a week.",
)
def hourly_reconciliation(
    context: dg.ScheduleEvaluationContext, tally: TallyResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    if not tally.has_stripe_key:
        yield dg.SkipReason("STRIPE_API_KEY is not set: there is nothing to reconcile with")
        return
    with tally.connect() as connection:
        opened = open_months(connection, tally.clock(connection).now())
    if not opened:
        yield dg.SkipReason("no month is open: nothing is counted yet, or every period ended more than a week ago")
        return
    within = [month for month in opened if months.has_partition_key(month)]
    if outside := outside_of_months(opened):
        if not within:
            yield dg.SkipReason(outside)
        context.log.warning(outside)
    for month in within:
        yield dg.RunRequest(
            run_key=f"{month} at {context.scheduled_execution_time:%Y-%m-%dT%H:%M%z}", partition_key=month
        )


nightly_ledger_tests = dg.ScheduleDefinition(
    name="nightly_ledger_tests",
    job_name=VERIFY_LEDGER,
    cron_schedule="23 2 * * *",
    default_status=automation.SCHEDULES,
    description="Runs the dbt tests, which read history, while it is quiet.",
)
