"""Landed rows start a tick. Cursor and run key are the data's: the newest landing transaction there is to read."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from dagster_project.defs import automation
from dagster_project.defs.jobs import SYNC, TICK, sync, tick
from dagster_project.defs.landing.assets import USAGE_EVENTS, observed
from dagster_project.defs.resources import TallyResource
from dagster_project.defs.stripe.assets import CUSTOMER_PERIODS
from dagster_project.lib.landed_rows import Wait, landed_rows, next_run

SECONDS_BETWEEN_LOOKS = 5
# These runs take seconds. One that has not ended after this long died with its machine and holds no other back.
TAKEN_FOR_DEAD_AFTER = timedelta(minutes=15)
# How soon an unknown customer makes us ask Stripe again. Longer: a customer's first events may be dated by the calendar
# month. Shorter: customers that never subscribe cost a listing of all subscriptions that often.
SYNC_AT_MOST_EVERY = timedelta(minutes=5)

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dg.sensor(
    name="landed_rows",
    jobs=[sync, tick],
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
    default_status=automation.SENSORS,
    description=(
        "Newly landed rows start a tick: ledger, then push. A billed event without a known billing period starts a "
        "sync first. Says why when it starts nothing."
    ),
)
def landed_rows_sensor(context: dg.SensorEvaluationContext, tally: TallyResource) -> dg.SensorResult | dg.SkipReason:
    with tally.connect() as connection:
        landed = landed_rows(connection)
    may_sync = tally.has_stripe_key and not _synced_lately(context.instance)
    decision = next_run(landed, context.cursor, _unfinished_run(context.instance), may_sync)
    if isinstance(decision, Wait):
        return dg.SkipReason(decision.reason)
    return dg.SensorResult(
        run_requests=[dg.RunRequest(job_name=decision.job, run_key=decision.run_key)],
        cursor=decision.asked.cursor(),
        asset_events=[dg.AssetObservation(USAGE_EVENTS, metadata=observed(landed))],
    )


def _unfinished_run(instance: dg.DagsterInstance) -> str | None:
    since = datetime.now(UTC) - TAKEN_FOR_DEAD_AFTER
    for job in (TICK, SYNC):
        wanted = dg.RunsFilter(job_name=job, statuses=UNFINISHED, created_after=since)
        if unfinished := instance.get_run_records(wanted, limit=1):
            return unfinished[0].dagster_run.run_id
    return None


def _synced_lately(instance: dg.DagsterInstance) -> bool:
    synced = instance.get_latest_materialization_event(CUSTOMER_PERIODS)
    return synced is not None and synced.timestamp > (datetime.now(UTC) - SYNC_AT_MOST_EVERY).timestamp()
