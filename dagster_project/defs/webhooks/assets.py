"""What Stripe told by webhook, handled: subscriptions and invoices mirrored, dropped events folded into the ledger."""

import dagster as dg

from dagster_project.defs import pools, stages
from dagster_project.defs.resources import TallyResource
from dagster_project.lib.tables import markdown_table
from tally.billed_accounts import billed_accounts
from tally.webhook_findings import webhook_findings
from tally.webhooks import AccountHandled, handle_all

STRIPE_WEBHOOKS = dg.AssetKey(["tally", "stripe_webhooks"])


@dg.asset(
    key=STRIPE_WEBHOOKS,
    group_name=stages.STRIPE_MIRROR,
    pool=pools.STRIPE_MIRROR,
    owners=["team:billing"],
    kinds={"stripe", "postgres"},
    description=(
        "What Stripe told the door by webhook, names only. Handling one reads its object from Stripe anew: "
        "subscriptions and invoices into the mirror, reports of dropped meter events into the push ledger. Late, "
        "reordered and repeated ones do no harm; what no webhook brought, the sync and the reconciliation read."
    ),
)
def stripe_webhooks(context: dg.AssetExecutionContext, tally: TallyResource) -> dg.MaterializeResult[None]:
    """Handle what the door has received. What failed is tried again later; after eight times it waits for a person."""
    with tally.connect() as connection:
        handled = handle_all(tally.settings, connection, tally.clock(connection))
        tenants = sorted({tenant_id for tenant_id, _ in billed_accounts(connection)})
        findings = [
            (tenant_id, found.sentence) for tenant_id in tenants for found in webhook_findings(connection, tenant_id)
        ]
    for sentence in (sentence for account in handled for sentence in account.wrong):
        context.log.warning(sentence)
    return dg.MaterializeResult(metadata=_metadata(handled, findings))


def _metadata(handled: list[AccountHandled], findings: list[tuple[str, str]]) -> dict[str, dg.MetadataValue]:
    results = [account.result for account in handled if account.result is not None]
    counts: dict[str, dg.MetadataValue] = {
        state: dg.MetadataValue.int(sum(result.ended.get(state, 0) for result in results))
        for state in ("handled", "ignored", "failed")
    }
    wrong = [(sentence,) for account in handled for sentence in account.wrong]
    return counts | {
        "still open": dg.MetadataValue.int(sum(result.waiting for result in results)),
        "went wrong": dg.MetadataValue.md(markdown_table(["what"], wrong)),
        "findings": dg.MetadataValue.int(len(findings)),
        "what needs a person": dg.MetadataValue.md(markdown_table(["tenant", "what"], findings)),
    }
