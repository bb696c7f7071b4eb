"""Ending a subscription. Usage of the period it ends in is billed only if that is asked for, or at the period's end."""

from stripe_sandbox import events, invoice_plans, invoice_store
from stripe_sandbox import subscription_store as store
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace


def end_now(workspace: Workspace, subscription: Json, *, at: int, invoice_now: bool) -> None:
    items = store.items_of(workspace, subscription["id"])
    if invoice_now:
        plan = invoice_plans.for_usage(workspace, items, until=at)
        start = min(item["current_period_start"] for item in items)
        if plan:
            invoice = invoice_store.open_draft(workspace, subscription, plan, "subscription_update", (start, at), at)
            invoice_store.finalize(workspace, invoice, at=at)
            subscription["latest_invoice"] = invoice["id"]
    subscription.update(status=store.ENDED, ended_at=at, canceled_at=subscription["canceled_at"] or at)
    store.save(workspace, subscription)
    events.emit(workspace, "customer.subscription.deleted", store.shown(workspace, subscription), at=at)


def cancel_all_of(workspace: Workspace, customer_id: str, *, at: int) -> None:
    for subscription in workspace.state.select(workspace.namespace, store.KIND, "and customer = ?", (customer_id,)):
        if subscription["status"] != store.ENDED:
            end_now(workspace, subscription, at=at, invoice_now=False)
