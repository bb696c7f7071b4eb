"""A period's end starts a run that closes it: the last push at once, then looks until its invoice is final."""

from datetime import UTC, datetime

import dagster as dg

from dagster_project.defs import automation
from dagster_project.defs.closing.assets import CLOSING_RESTS, INVOICE_HOLDS
from dagster_project.defs.push.assets import NO_KEY
from dagster_project.defs.resources import TallyResource
from dagster_project.lib.landed_rows import Wait
from dagster_project.lib.next_close import next_close
from dagster_project.lib.unfinished_runs import unfinished_run
from tally.closing import closing_due

PERIOD_CLOSE = "period_close"
SECONDS_BETWEEN_LOOKS = 15

period_close_job = dg.define_asset_job(
    PERIOD_CLOSE,
    dg.AssetSelection.assets(INVOICE_HOLDS, CLOSING_RESTS),
    description="Last push, drafts held or let go, and what final invoices missed. Started by the sensor period_ends.",
)


@dg.sensor(
    name="period_ends",
    job=period_close_job,
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
    default_status=automation.SENSORS,
    description=(
        "A period that ends starts a run that closes it, at once; then one every few minutes while a draft, a hold or "
        "a rest is open, and one a day in any case. Says why when it starts nothing."
    ),
)
def period_ends(context: dg.SensorEvaluationContext, tally: TallyResource) -> dg.RunRequest | dg.SkipReason:
    if not tally.has_stripe_key:
        return dg.SkipReason(NO_KEY)
    if (run_id := unfinished_run(context.instance, PERIOD_CLOSE)) is not None:
        return dg.SkipReason(f"run {run_id} is under way")
    with tally.connect() as connection:
        due = closing_due(connection, tally.clock(connection).now())
    last = context.instance.get_run_records(dg.RunsFilter(job_name=PERIOD_CLOSE), limit=1)
    decision = next_close(due, context.cursor, last[0].create_timestamp if last else None, datetime.now(UTC))
    if isinstance(decision, Wait):
        return dg.SkipReason(decision.reason)
    context.update_cursor(decision)
    # No run key: a run that died before it did anything must not keep the next one from starting.
    return dg.RunRequest()
