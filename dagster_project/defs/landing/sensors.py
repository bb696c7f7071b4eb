"""What has landed and what has moved start runs, under run keys that name the rows to read and what moved.

Where the resident loop runs, it ticks and runs only push; where none does, a run ticks and pushes.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from dagster_project.defs import automation
from dagster_project.defs.jobs import PUSH, SYNC, TICK, push, sync, tick
from dagster_project.defs.landing.assets import USAGE_EVENTS, observed
from dagster_project.defs.push.assets import MOVED, NO_KEY, PUSH_INTENTS
from dagster_project.defs.resources import TallyResource
from dagster_project.defs.stripe.assets import CUSTOMER_PERIODS
from dagster_project.lib.landed_rows import Wait, landed_rows, next_run
from dagster_project.lib.push_due import LastPush, next_push, push_state
from dagster_project.lib.unfinished_runs import unfinished_run
from tally.loop_heartbeat import loop_is_running

SECONDS_BETWEEN_LOOKS = 5
# How soon an unknown customer makes us ask Stripe again. Longer: a customer's first events may be dated by the calendar
# month. Shorter: customers that never subscribe cost a listing of all subscriptions that often.
SYNC_AT_MOST_EVERY = timedelta(minutes=5)


@dg.sensor(
    name="landed_rows",
    jobs=[sync, tick, push],
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
    default_status=automation.SENSORS,
    description=(
        "Counters that moved start a push. Where no resident loop runs, newly landed rows start a tick: ledger, then "
        "push; a billed event without a known billing period starts a sync first. Says why when it starts nothing."
    ),
)
def landed_rows_sensor(context: dg.SensorEvaluationContext, tally: TallyResource) -> dg.SensorResult | dg.SkipReason:
    unfinished = unfinished_run(context.instance, TICK, SYNC, PUSH)
    with tally.connect() as connection:
        landed = landed_rows(connection)
        loop_ticks = loop_is_running(connection)
        moved = push_state(connection)
    if loop_ticks:
        ticking = Wait(f"{landed.waiting:,} rows wait and the resident loop counts them")
    else:
        may_sync = tally.has_stripe_key and not _synced_lately(context.instance)
        decision = next_run(landed, context.cursor, unfinished, may_sync)
        if not isinstance(decision, Wait):
            return dg.SensorResult(
                run_requests=[dg.RunRequest(job_name=decision.job, run_key=decision.run_key)],
                cursor=decision.asked.cursor(),
                asset_events=[dg.AssetObservation(USAGE_EVENTS, metadata=observed(landed))],
            )
        ticking = decision
    if not tally.has_stripe_key:
        return dg.SkipReason(f"{ticking.reason}; {NO_KEY}")
    if unfinished is not None:
        return dg.SkipReason(f"{ticking.reason}; run {unfinished} is under way, a push waits for its end")
    due = next_push(moved, _last_push(context.instance), datetime.now(UTC), tally.push_at_most_every)
    if isinstance(due, Wait):
        return dg.SkipReason(f"{ticking.reason}; {due.reason}")
    return dg.SensorResult(run_requests=[dg.RunRequest(job_name=due.job, run_key=due.run_key)], cursor=context.cursor)


def _synced_lately(instance: dg.DagsterInstance) -> bool:
    synced = instance.get_latest_materialization_event(CUSTOMER_PERIODS)
    return synced is not None and synced.timestamp > (datetime.now(UTC) - SYNC_AT_MOST_EVERY).timestamp()


def _last_push(instance: dg.DagsterInstance) -> LastPush:
    planned = instance.get_latest_materialization_event(PUSH_INTENTS)
    runs = [run for job in (TICK, PUSH) for run in instance.get_run_records(dg.RunsFilter(job_name=job), limit=1)]
    newest = max(runs, key=lambda run: run.create_timestamp, default=None)
    made = planned.asset_materialization if planned else None
    moved = made.metadata.get(MOVED) if made else None
    return LastPush(
        moved=str(moved.value) if moved else None,
        run_id=newest.dagster_run.run_id if newest else None,
        run_started_at=newest.create_timestamp if newest else None,
    )
