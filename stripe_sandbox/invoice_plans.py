"""What an invoice will bill, before quantities are known: one entry per subscription item and period.

A draft keeps its plan and fills in the quantities whenever it is read; finalization does so for the last time.
"""

from decimal import Decimal

from stripe_sandbox import subscription_store as store
from stripe_sandbox.pricing import EXACT, plain
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace

Plan = list[Json]


def for_usage(workspace: Workspace, items: list[Json], until: int | None = None) -> Plan:
    """Metered items over their current period, which may be cut short."""
    plan = []
    for item in items:
        price = store.price_of(workspace, item)
        if store.is_metered(price):
            end = item["current_period_end"] if until is None else until
            # After a change of price in mid-period: what was used before it is an invoice item, or lost.
            start = item.get("_billed_from") or item["current_period_start"]
            plan.append(_entry(item, price, start, end))
    return plan


def at_nothing(workspace: Workspace, plan: Plan) -> Plan:
    """The same entries during a trial: their amounts are 0, their quantities show, or are 0 too."""
    if workspace.settings.trial_lines_show_usage:
        return [{**entry, "share": "0"} for entry in plan]
    return [{**entry, "share": "0", "used": "0"} for entry in plan]


def nothing_yet(workspace: Workspace, items: list[Json], now: int) -> Plan:
    """The lines of zero with which a classic subscription opens."""
    return [{**entry, "start": now} for entry in for_usage(workspace, items, until=now)]


def in_advance(workspace: Workspace, subscription: Json, items: list[Json], *, prorate: bool = True) -> Plan:
    """Licensed items for their current period; a period cut by the anchor costs its share, or nothing."""
    plan = []
    for item in items:
        price = store.price_of(workspace, item)
        if store.is_metered(price):
            continue
        start, end = item["current_period_start"], item["current_period_end"]
        whole_start, whole_end = store.cycle_of(subscription, price).period_at(start)
        share = EXACT.divide(Decimal(end - start), Decimal(whole_end - whole_start))
        if share == 1 or prorate:
            entry = _entry(item, price, start, end)
            plan.append({**entry, "quantity": str(item["quantity"]), "share": plain(share)})
    return plan


def _entry(item: Json, price: Json, start: int, end: int) -> Json:
    return {"item": item["id"], "price": price, "start": start, "end": end}
