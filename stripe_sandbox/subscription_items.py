"""Subscription items: one price each, with the period that Stripe is billing it for right now."""

from functools import partial
from typing import Any

from stripe_sandbox import events, price_changes, trials
from stripe_sandbox import subscription_store as store
from stripe_sandbox.errors import invalid, missing_parameter
from stripe_sandbox.ids import new_id
from stripe_sandbox.listing import PAGING, page_of
from stripe_sandbox.metadata import merged
from stripe_sandbox.operations import Operation
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace

KIND = store.ITEM_KIND


def chosen_price(workspace: Workspace, parameters: Json) -> Json:
    if "price" not in parameters:
        raise missing_parameter("items[0][price]")
    price = workspace.get("price", parameters["price"], "items[0][price]")
    if price["type"] != "recurring":
        raise invalid("The price must be recurring.", "items[0][price]")
    if not price["active"]:
        raise invalid("The price specified is inactive.", "items[0][price]")
    return price


def add(workspace: Workspace, subscription: Json, parameters: Json, now: int) -> Json:
    """The item's first period is the part of the subscription's that is left, or was backdated into."""
    price = chosen_price(workspace, parameters)
    if store.is_metered(price) and "quantity" in parameters:
        raise invalid("A metered item has no quantity; its meter has.", "quantity")
    if any(item["price"] == price["id"] for item in store.items_of(workspace, subscription["id"])):
        raise invalid("Another item of the subscription already has this price.", "price")
    start, end = store.cycle_of(subscription, price).period_at(now)
    if trials.is_free(subscription):
        start, end = subscription["trial_start"], subscription["trial_end"]
    is_first_period = subscription["created"] == now
    item: Json = {
        "id": new_id("si", 14),
        "object": KIND,
        "billing_thresholds": None,
        "created": now,
        "current_period_end": end,
        "current_period_start": max(start, subscription["start_date"]) if is_first_period else now,
        "discounts": [],
        "metadata": merged({}, parameters.get("metadata", {})),
        "price": price["id"],
        "subscription": subscription["id"],
        "tax_rates": [],
    }
    if not store.is_metered(price):
        item["quantity"] = parameters.get("quantity", 1)
    store.save_item(workspace, item)
    return item


def change(workspace: Workspace, subscription: Json, parameters: Json, now: int) -> None:
    """One entry of a subscription update's `items`: a new one, a deletion, or a change in place."""
    if "id" not in parameters:
        add(workspace, subscription, parameters, now)
        return
    item = workspace.get(KIND, parameters["id"], "items[id]")
    if item["subscription"] != subscription["id"]:
        raise invalid("The item belongs to another subscription.", "items[id]")
    if parameters.get("deleted"):
        _remove(workspace, item)
    else:
        _alter(workspace, subscription, item, parameters, now)


def _alter(workspace: Workspace, subscription: Json, item: Json, parameters: Json, now: int) -> None:
    if parameters.get("price", item["price"]) != item["price"]:
        price = chosen_price(workspace, parameters)
        price_changes.change(workspace, subscription, item, price, parameters, now)
    if "quantity" in parameters:
        if store.is_metered(store.price_of(workspace, item)):
            raise invalid("A metered item has no quantity; its meter has.", "quantity")
        item["quantity"] = parameters["quantity"]
    if "metadata" in parameters:
        item["metadata"] = merged(item["metadata"], parameters["metadata"])
    store.save_item(workspace, item)


def _remove(workspace: Workspace, item: Json) -> None:
    """Usage of the running period goes unbilled with it, as at Stripe without an invoice first."""
    if len(store.items_of(workspace, item["subscription"])) == 1:
        raise invalid("A subscription must keep at least one item; cancel it instead.", "id")
    workspace.state.delete(workspace.namespace, item["id"])


def create(workspace: Workspace, parameters: Json) -> Json:
    subscription = workspace.get(store.KIND, parameters["subscription"], "subscription")
    before, now = store.shown(workspace, subscription), workspace.now(subscription["test_clock"])
    item = add(workspace, subscription, parameters, now)
    _note_change(workspace, subscription, before, now)
    return store.shown_item(workspace, item)


def _note_change(workspace: Workspace, subscription: Json, before: Json, now: int) -> None:
    store.save(workspace, subscription)
    shown = store.shown(workspace, subscription)
    events.emit(workspace, "customer.subscription.updated", shown, at=now, previous=before)


def retrieve(workspace: Workspace, _parameters: Json, item_id: str) -> Json:
    return store.shown_item(workspace, workspace.get(KIND, item_id))


def update(workspace: Workspace, parameters: Json, item_id: str) -> Json:
    item = workspace.get(KIND, item_id)
    subscription = workspace.get(store.KIND, item["subscription"])
    before, now = store.shown(workspace, subscription), workspace.now(subscription["test_clock"])
    _alter(workspace, subscription, item, parameters, now)
    _note_change(workspace, subscription, before, now)
    return store.shown_item(workspace, item)


def delete(workspace: Workspace, _parameters: Json, item_id: str) -> Json:
    item = workspace.get(KIND, item_id)
    subscription = workspace.get(store.KIND, item["subscription"])
    before = store.shown(workspace, subscription)
    _remove(workspace, item)
    _note_change(workspace, subscription, before, workspace.now(subscription["test_clock"]))
    return {"id": item_id, "object": KIND, "deleted": True}


def list_(workspace: Workspace, parameters: Json) -> Json:
    filters: dict[str, Any] = {"parent": parameters["subscription"]}
    return page_of(
        workspace,
        KIND,
        "/v1/subscription_items",
        parameters,
        filters,
        render=partial(store.shown_item, workspace),
        oldest_first=True,
    )


OPERATIONS = {
    "v1.subscription_items.create": Operation(create, "metadata price proration_behavior quantity subscription"),
    "v1.subscription_items.retrieve": Operation(retrieve),
    "v1.subscription_items.update": Operation(update, "metadata price proration_behavior quantity"),
    "v1.subscription_items.delete": Operation(delete, "proration_behavior"),
    "v1.subscription_items.list": Operation(list_, f"{PAGING} subscription"),
}
