"""Time passing: period ends become drafts, drafts become final. The same for test clocks and for real time."""

from stripe_sandbox import (
    cancellation,
    events,
    invoice_item_lines,
    invoice_plans,
    invoice_store,
    paused_collection,
    trials,
)
from stripe_sandbox import subscription_store as store
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace


def run_next_due(workspace: Workspace, test_clock: str | None, until: int) -> bool:
    """Does the one earliest thing that is due by then, in its own transaction; false when nothing is left."""
    row = workspace.state.row(
        "select kind, id, due_at from objects where namespace = ? and test_clock is ? and due_at <= ?"
        " order by due_at, seq limit 1",
        (workspace.namespace, test_clock, until),
    )
    if row is None:
        return False
    with workspace.state.transaction():
        if row["kind"] == store.KIND:
            end_period(workspace, workspace.get(store.KIND, row["id"]), row["due_at"])
        else:
            paused_collection.finalize(workspace, workspace.get(invoice_store.KIND, row["id"]), at=row["due_at"])
    return True


def end_period(workspace: Workspace, subscription: Json, at: int) -> None:
    """Drafts the invoice of the period that ends, and begins the next one, or ends the subscription."""
    before = store.shown(workspace, subscription)
    items = store.items_of(workspace, subscription["id"])
    start = min(item["current_period_start"] for item in items)
    plan = invoice_plans.for_usage(workspace, items, until=at)
    if trials.is_free(subscription):
        plan = invoice_plans.at_nothing(workspace, plan)
        subscription["status"] = "active"
    paused_collection.resume_if_due(subscription, at)
    is_last = subscription["cancel_at"] is not None and subscription["cancel_at"] <= at
    if not is_last:
        _roll_forward(workspace, subscription, items, at)
        plan += invoice_plans.in_advance(workspace, subscription, store.items_of(workspace, subscription["id"]))
    if plan or invoice_item_lines.pending(workspace, subscription["customer"], subscription["id"]):
        invoice = invoice_store.open_draft(workspace, subscription, plan, "subscription_cycle", (start, at), at)
        paused_collection.mark(workspace, subscription, invoice)
        subscription["latest_invoice"] = invoice["id"]
    if is_last:
        cancellation.end_now(workspace, subscription, at=at, invoice_now=False)
        return
    store.save(workspace, subscription)
    shown = store.shown(workspace, subscription)
    events.emit(workspace, "customer.subscription.updated", shown, at=at, previous=before)


def _roll_forward(workspace: Workspace, subscription: Json, items: list[Json], at: int) -> None:
    for item in items:
        cycle = store.cycle_of(subscription, store.price_of(workspace, item))
        start, item["current_period_end"] = cycle.period_at(at)
        # An anchored cycle's first period may begin within it, when a trial ends.
        item["current_period_start"] = at if subscription["trial_end"] == at else start
        item.pop("_billed_from", None)
        store.save_item(workspace, item)


def shortest_interval(workspace: Workspace, test_clock: str) -> Json | None:
    """The `recurring` of the price billed most often on a clock."""
    days = {"day": 1, "week": 7, "month": 30, "year": 365}
    rhythms = [
        store.price_of(workspace, item)["recurring"]
        for subscription in workspace.state.select(
            workspace.namespace, store.KIND, "and test_clock = ? and due_at is not null", (test_clock,)
        )
        for item in store.items_of(workspace, subscription["id"])[:1]
    ]
    return min(rhythms, key=lambda each: days[each["interval"]] * each["interval_count"], default=None)
