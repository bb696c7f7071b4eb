"""How subscriptions and their items are kept and shown. Items stand alone; the subscription's answer lists them."""

from stripe_sandbox.billing_periods import BillingCycle
from stripe_sandbox.listing import list_object
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace, public

KIND = "subscription"
ITEM_KIND = "subscription_item"
ENDED = "canceled"


def save(workspace: Workspace, subscription: Json) -> None:
    """Also notes when billing must next look at it."""
    due_at = None
    if subscription["status"] != ENDED:
        ends = [item["current_period_end"] for item in items_of(workspace, subscription["id"])]
        ends += [subscription["cancel_at"]] if subscription["cancel_at"] else []
        due_at = min(ends, default=None)
    workspace.save(
        subscription, customer=subscription["customer"], test_clock=subscription["test_clock"], due_at=due_at
    )


def save_item(workspace: Workspace, item: Json) -> None:
    workspace.save(item, parent=item["subscription"])


def items_of(workspace: Workspace, subscription_id: str) -> list[Json]:
    return workspace.state.select(workspace.namespace, ITEM_KIND, "and parent = ?", (subscription_id,))


def price_of(workspace: Workspace, item: Json) -> Json:
    return workspace.get("price", item["price"], "price")


def is_metered(price: Json) -> bool:
    return bool(price["recurring"]["usage_type"] == "metered")


def cycle_of(subscription: Json, price: Json) -> BillingCycle:
    config = subscription["billing_cycle_anchor_config"] or {}
    return BillingCycle(
        anchor=subscription["billing_cycle_anchor"],
        interval=price["recurring"]["interval"],
        interval_count=price["recurring"]["interval_count"],
        day_of_month=config.get("day_of_month"),
    )


def shown(workspace: Workspace, subscription: Json) -> Json:
    items = [shown_item(workspace, item) for item in items_of(workspace, subscription["id"])]
    url = f"/v1/subscription_items?subscription={subscription['id']}"
    return {**public(subscription), "items": list_object(items, url)}


def shown_item(workspace: Workspace, item: Json) -> Json:
    price = price_of(workspace, item)
    return {**public(item), "price": public(price), "plan": plan_of(price)}


def plan_of(price: Json) -> Json:
    """The older name of a recurring price, which Stripe still repeats on every item."""
    recurring = price["recurring"]
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "livemode": price["livemode"],
        "metadata": price["metadata"],
        "meter": recurring["meter"],
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": price["tiers_mode"],
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": recurring["usage_type"],
    }
