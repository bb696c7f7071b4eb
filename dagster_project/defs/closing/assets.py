"""Closing periods: the last push, drafts held back or let go, and what final invoices missed, settled."""

from collections import Counter
from collections.abc import Iterator
from itertools import chain

import dagster as dg

from dagster_project.defs import pools, stages
from dagster_project.defs.push.assets import NO_KEY, PUSH_INTENTS
from dagster_project.defs.resources import TallyResource
from dagster_project.lib.tables import markdown_table
from tally.billed_accounts import billed_accounts
from tally.closing import VERDICTS, CloseResult, Hold, close_periods, holds
from tally.page_addresses import pages_url

INVOICE_HOLDS = dg.AssetKey(["tally", "invoice_holds"])
CLOSING_RESTS = dg.AssetKey(["tally", "closing_rests"])


@dg.multi_asset(
    name="closing",  # a job is named period_close, and Dagster wants one name once
    can_subset=False,
    pool=pools.PUSH,
    specs=[
        dg.AssetSpec(
            INVOICE_HOLDS,
            deps=[PUSH_INTENTS, dg.AssetKey(["tally", "stripe_totals"])],
            skippable=True,
            description=(
                "Drafts that we keep from finalizing because something on them is not settled: who held each, why and "
                "when, and who let it go."
            ),
            group_name=stages.CLOSING,
            owners=["team:billing"],
            kinds={"stripe", "postgres"},
        ),
        dg.AssetSpec(
            CLOSING_RESTS,
            deps=[INVOICE_HOLDS, dg.AssetKey(["marts", "usage_counters"])],
            skippable=True,
            description=(
                "What final invoices do not bill as counted: late usage, which becomes an invoice item or is written "
                "off, and usage billed too much, which is credited; a row a step, from proposal to proof."
            ),
            group_name=stages.CLOSING,
            owners=["team:billing"],
            kinds={"stripe", "postgres"},
        ),
    ],
)
def closing(context: dg.AssetExecutionContext, tally: TallyResource) -> Iterator[dg.MaterializeResult[None]]:
    """Close what has ended, for every billed account; what needs a person is in the metadata and in `tally status`."""
    if not tally.has_stripe_key:
        context.log.warning(NO_KEY)
        return
    results: list[CloseResult] = []
    held: list[Hold] = []
    with tally.connect() as connection:
        for tenant_id, name in billed_accounts(connection):
            with tally.stripe(name) as account:
                results.append(close_periods(tally.settings, connection, account, tenant_id, tally.clock(connection)))
            held += [hold for hold in holds(connection, tenant_id, is_open=True) if hold.account == name]
    yield dg.MaterializeResult(
        asset_key=INVOICE_HOLDS,
        metadata=_drafts(results, held) | {"all reports": dg.MetadataValue.url(pages_url(tally.settings))},
    )
    yield dg.MaterializeResult(asset_key=CLOSING_RESTS, metadata=_rests(results))
    if stopped := [result.sent.stopped for result in results if result.sent.stopped]:
        raise dg.Failure(f"Stripe refuses this key: {'; '.join(stopped)}")


def _drafts(results: list[CloseResult], held: list[Hold]) -> dict[str, dg.MetadataValue]:
    drafts = list(chain.from_iterable(result.drafts for result in results))
    rows = [
        (each.invoice_id, each.customer_ref, each.finalizes_at, VERDICTS[each.verdict], "; ".join(each.unsettled))
        for each in drafts
        if each.unsettled
    ]
    holding = [
        (each.invoice_id, each.customer_ref, each.state, each.held_by, each.decided_at, each.reason) for each in held
    ]
    return {
        "drafts": dg.MetadataValue.int(len(drafts)),
        "not settled": dg.MetadataValue.int(len(rows)),
        "held by us": dg.MetadataValue.int(len(held)),
        "what is not settled": dg.MetadataValue.md(
            markdown_table(["invoice", "customer", "final at", "standing", "not settled"], rows)
        ),
        "who holds what": dg.MetadataValue.md(
            markdown_table(["invoice", "customer", "state", "by", "since", "why"], holding)
        ),
    }


def _rests(results: list[CloseResult]) -> dict[str, dg.MetadataValue]:
    waiting = list(chain.from_iterable(result.waiting for result in results))
    decide = list(chain.from_iterable(result.decide for result in results))
    sent: Counter[str] = Counter()
    for result in results:
        sent.update(result.sent.outcomes)
    rows = [(rest.customer_ref, rest.metric, rest.period_start, rest.quantity, rest.kind, rest.amount_minor,
             rest.currency, rest.state, rest.rest_id) for rest in decide]  # fmt: skip
    columns = ["customer", "metric", "period from", "quantity", "as", "minor units", "currency", "state", "id"]
    return {
        "worked out": dg.MetadataValue.int(sum(len(result.proposals) for result in results)),
        "done": dg.MetadataValue.int(sent["done"] + sent["found"]),
        "refused": dg.MetadataValue.int(sent["refused"]),
        "without a certain answer": dg.MetadataValue.int(sent["unknown"]),
        "waiting for a person": dg.MetadataValue.int(len(decide)),
        "what waits for a person": dg.MetadataValue.md(markdown_table(columns, rows)),
        "what is not settled yet": dg.MetadataValue.md(
            markdown_table(
                ["customer", "metric", "period from", "quantity", "why"],
                [(each.customer_ref, each.metric, each.period_start, each.quantity, each.detail) for each in waiting],
            )
        ),
    }
