"""The proof of every invoice line once its invoice is final, and the views from a line to its events and back."""

from collections.abc import Iterator

import dagster as dg
from dagster_dbt import dbt_assets

from dagster_project.defs import pools, stages
from dagster_project.defs.ledger.dbt import manifest, translator
from dagster_project.defs.partitions import months
from dagster_project.defs.reconciliation.assets import RECONCILIATION_LINES
from dagster_project.defs.resources import TallyResource
from dagster_project.lib.tables import markdown_table
from tally.months import bounds

INVOICE_LINE_PROOFS = dg.AssetKey(["tally", "invoice_line_proofs"])
EVENT_INVOICE_LINES = dg.AssetKey(["marts", "event_invoice_lines"])
INVOICE_LINE_EVENTS = dg.AssetKey(["marts", "invoice_line_events"])


@dbt_assets(
    name="invoice_lineage",
    manifest=manifest,
    select="event_invoice_lines invoice_line_events",
    dagster_dbt_translator=translator,
    partitions_def=months,
    backfill_policy=dg.BackfillPolicy.multi_run(1),
)
def invoice_lineage() -> Iterator[dg.MaterializeResult[None]]:
    """The views are always current: a run only says that they are."""
    yield dg.MaterializeResult(asset_key=EVENT_INVOICE_LINES)
    yield dg.MaterializeResult(asset_key=INVOICE_LINE_EVENTS)


@dg.asset(
    key=INVOICE_LINE_PROOFS,
    deps=[RECONCILIATION_LINES],
    partitions_def=months,
    backfill_policy=dg.BackfillPolicy.multi_run(1),
    group_name=stages.RECONCILIATION,
    pool=pools.RECONCILIATION,
    owners=["team:billing"],
    kinds={"postgres"},
    description=(
        "One small row per invoice line, kept for ever: its events' count, sum and hash, what Stripe was sent and "
        "answered, the amount priced again. Recorded when the invoice is first seen final; `tally explain` proves it "
        "again at any time."
    ),
)
def invoice_line_proofs(context: dg.AssetExecutionContext, tally: TallyResource) -> dg.MaterializeResult[None]:
    """Prove what became final in the month and record it; what cannot be proven is listed, and tried again."""
    # Pricing brings Polars: only a run that proves should pay for it.
    from tally.proof import Proof, record_final_lines

    month, proven = bounds(context.partition_key), 0
    unproven: list[Proof] = []
    with tally.connect() as connection:
        for (tenant_id,) in connection.execute("select tenant_id from tally.tenants order by tenant_id").fetchall():
            final = record_final_lines(connection, tenant_id, tally.clock(connection), month)
            proven += len(final.proofs) - len(final.unproven)
            unproven += final.unproven
    rows = [
        (each.chain.line.customer_ref, each.chain.line.metric, each.chain.line.invoice_line_id, "; ".join(each.faults))
        for each in unproven
    ]
    return dg.MaterializeResult(
        metadata={
            "proven now": dg.MetadataValue.int(proven),
            "not proven": dg.MetadataValue.int(len(unproven)),
            "what is wrong": dg.MetadataValue.md(markdown_table(["customer", "metric", "line", "what"], rows)),
        }
    )
