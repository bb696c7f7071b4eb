"""A disputed push has its months reconciled at once: when a person looks, the evidence stands there."""

import dagster as dg

from dagster_project.defs import automation
from dagster_project.defs.jobs import reconcile
from dagster_project.defs.partitions import months, outside_of_months
from dagster_project.defs.push.assets import NO_KEY
from dagster_project.defs.resources import TallyResource
from dagster_project.lib.disputes import disputes

SECONDS_BETWEEN_LOOKS = 60


@dg.sensor(
    name="disputed_intents",
    job=reconcile,
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
    default_status=automation.SENSORS,
    description=(
        "A push intent that Stripe's evidence could not settle starts a reconciliation of its month, once. Deciding it "
        "is a person's: `tally decide`. Says how many wait, and which month TALLY_MONTHS leaves out, when it starts "
        "nothing."
    ),
)
def disputed_intents(context: dg.SensorEvaluationContext, tally: TallyResource) -> dg.SensorResult | dg.SkipReason:
    with tally.connect() as connection:
        waiting = disputes(connection)
    if not waiting:
        context.update_cursor("")
        return dg.SkipReason("no push intent is disputed")
    if not tally.has_stripe_key:
        return dg.SkipReason(f"{len(waiting)} push intents are disputed; {NO_KEY}")
    outside = outside_of_months({dispute.month for dispute in waiting})
    within = [dispute for dispute in waiting if months.has_partition_key(dispute.month)]
    looked_at = set((context.cursor or "").split())
    new = [dispute for dispute in within if dispute.intent_id not in looked_at]
    # A month that the setting leaves out stays unseen: once it is let in, it is reconciled.
    context.update_cursor(" ".join(dispute.intent_id for dispute in within))
    if not new:
        shown = ", ".join(dispute.intent_id for dispute in waiting[:3])
        return dg.SkipReason(
            f"{len(waiting)} push intents are disputed: `tally decide` settles {shown}. "
            f"{outside or 'Their months were reconciled'}"
        )
    if outside:
        context.log.warning(outside)
    newest = {dispute.month: dispute.intent_id for dispute in new}
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(run_key=f"disputed-{intent_id}", partition_key=month)
            for month, intent_id in sorted(newest.items())
        ]
    )
