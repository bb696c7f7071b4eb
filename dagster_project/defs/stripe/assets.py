"""Stripe's side before a push: whose subscription items bill which metric, and in which periods."""

from collections.abc import Iterator, Sequence

import dagster as dg
import psycopg

from dagster_project.defs import pools, stages
from dagster_project.defs.resources import Tally, TallyResource
from dagster_project.lib.tables import markdown_table
from tally.billed_accounts import billed_accounts
from tally.shadow.parallel import in_shadows, shadow_accounts
from tally.stripe.mirror import SyncSummary
from tally.stripe.sync import sync_subscriptions

SUBSCRIPTION_ITEMS = dg.AssetKey(["tally", "stripe_subscription_items"])
CUSTOMER_PERIODS = dg.AssetKey(["tally", "customer_periods"])


@dg.multi_asset(
    name="stripe_periods",
    pool=pools.STRIPE_MIRROR,
    specs=[
        dg.AssetSpec(
            SUBSCRIPTION_ITEMS,
            deps=[dg.AssetKey(["tally", "price_mappings"])],
            description=(
                "One row per metered subscription item in Stripe, as of the last sync: which customer pays for which "
                "metric, and since when."
            ),
            group_name=stages.STRIPE_MIRROR,
            owners=["team:billing"],
            kinds={"stripe", "postgres"},
        ),
        dg.AssetSpec(
            CUSTOMER_PERIODS,
            deps=[SUBSCRIPTION_ITEMS],
            description=(
                "One row per customer and billing period [start, end), cut where Stripe cuts it; two are laid out "
                "ahead. The ledger dates events by it."
            ),
            group_name=stages.STRIPE_MIRROR,
            owners=["team:billing"],
            kinds={"stripe", "postgres"},
        ),
    ],
)
def stripe_periods(context: dg.AssetExecutionContext, tally: TallyResource) -> Iterator[dg.MaterializeResult[None]]:
    """Mirror subscriptions and their periods. Safe to repeat; what maps to nothing is listed, never dropped."""
    with tally.connect() as connection:
        summaries = list(read_periods(tally, connection))
    for made in period_materializations(summaries):
        yield dg.MaterializeResult(asset_key=made.asset_key, metadata=made.metadata)


def read_periods(tally: Tally, connection: psycopg.Connection) -> Iterator[SyncSummary]:
    """Mirror every billed account, one after the other, then their shadows, which are not part of what is made."""
    for tenant_id, name in billed_accounts(connection):
        with tally.stripe(name) as account:
            yield sync_subscriptions(connection, account, tenant_id, tally.clock(connection))
    for tenant_id in sorted({tenant_id for tenant_id, _ in shadow_accounts(connection)}):
        _mirror_shadows(tally, connection, tenant_id)


def _mirror_shadows(tally: Tally, connection: psycopg.Connection, tenant_id: str) -> None:
    """What keeps a shadow from being read keeps it from being pushed to as well, and the push says why."""
    clock = tally.clock(connection)
    in_shadows(
        tally.settings, connection, tenant_id, lambda account: sync_subscriptions(connection, account, tenant_id, clock)
    )


def period_materializations(summaries: Sequence[SyncSummary]) -> list[dg.AssetMaterialization]:
    """What the reading of every billed account made, as Dagster records it."""
    return [
        dg.AssetMaterialization(SUBSCRIPTION_ITEMS, metadata=_items(summaries)),
        dg.AssetMaterialization(CUSTOMER_PERIODS, metadata=_periods(summaries)),
    ]


def _items(summaries: Sequence[SyncSummary]) -> dict[str, dg.MetadataValue]:
    unmapped = [thing for summary in summaries for thing in summary.unmapped]
    table = markdown_table(["in Stripe", "why"], [(thing.object_id, thing.reason) for thing in unmapped])
    return {
        "items": dg.MetadataValue.int(sum(summary.items for summary in summaries)),
        "customers": dg.MetadataValue.int(sum(summary.customers for summary in summaries)),
        "items ended": dg.MetadataValue.int(sum(summary.items_ended for summary in summaries)),
        "unmapped": dg.MetadataValue.int(len(unmapped)),
        "what is unmapped": dg.MetadataValue.md(table),
    }


def _periods(summaries: Sequence[SyncSummary]) -> dict[str, dg.MetadataValue]:
    return {
        "confirmed by Stripe": dg.MetadataValue.int(sum(summary.periods_confirmed for summary in summaries)),
        "projected": dg.MetadataValue.int(sum(summary.periods_projected for summary in summaries)),
        "projections replaced": dg.MetadataValue.int(sum(summary.periods_replaced for summary in summaries)),
    }
