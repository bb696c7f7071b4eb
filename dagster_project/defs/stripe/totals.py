"""Stripe's side after a push: what its meters add up to, and what the invoice or its preview bills."""

import dagster as dg

from dagster_project.defs import pools, stages
from dagster_project.defs.partitions import months
from dagster_project.defs.resources import TallyResource
from dagster_project.lib.tables import markdown_table
from tally.billed_accounts import billed_accounts
from tally.months import bounds
from tally.stripe.totals import TotalsResult, read_totals


@dg.asset(
    key=["tally", "stripe_totals"],
    deps=[
        dg.AssetKey(["tally", "push_intents"]),
        dg.AssetKey(["tally", "customer_periods"]),
    ],
    partitions_def=months,
    backfill_policy=dg.BackfillPolicy.multi_run(1),
    group_name=stages.STRIPE_TOTALS,
    pool=pools.RECONCILIATION,
    owners=["team:billing"],
    kinds={"stripe", "postgres"},
    description=(
        "What Stripe says, read back beside every counter: the meter's summary, and the quantity on the invoice or its "
        "preview. A number that could not be read stays empty, which is never zero. Reads are an allowance: what has "
        "not changed and does not end soon is read once a day."
    ),
)
def stripe_totals(context: dg.AssetExecutionContext, tally: TallyResource) -> dg.MaterializeResult[None]:
    """Read the totals of the periods that start in the partition's month, as far as they are due."""
    results = []
    with tally.connect() as connection:
        for tenant_id, name in billed_accounts(connection):
            with tally.stripe(name) as account:
                clock = tally.clock(connection)
                month = bounds(context.partition_key)
                allowance = tally.settings.stripe_read_allowance
                results.append(
                    read_totals(
                        connection, account, tenant_id, clock, starting_in=month, only_due=True, allowance=allowance
                    )
                )
    return dg.MaterializeResult(metadata=_read(results))


def _read(results: list[TotalsResult]) -> dict[str, dg.MetadataValue]:
    unread = [number for result in results for number in result.unread]
    rows = [(number.customer_ref, number.metric, number.period_start, number.what, number.reason) for number in unread]
    return {
        "counters asked for": dg.MetadataValue.int(sum(result.keys for result in results)),
        "waiting for the read allowance": dg.MetadataValue.int(sum(result.waiting for result in results)),
        "numbers not read": dg.MetadataValue.int(len(unread)),
        "what was not read": dg.MetadataValue.md(
            markdown_table(["customer", "metric", "period from", "number", "why"], rows)
        ),
    }
