"""Subscriptions: which prices a customer pays, anchored at which second."""

from functools import partial
from typing import Any

from stripe_sandbox import (
    billing_cycle,
    customers,
    events,
    invoice_plans,
    invoice_store,
    paused_collection,
    subscription_anchors,
    subscription_items,
    trials,
)
from stripe_sandbox import subscription_store as store
from stripe_sandbox.cancellation import end_now
from stripe_sandbox.errors import StripeError, invalid, missing_parameter
from stripe_sandbox.ids import new_id
from stripe_sandbox.listing import PAGING, page_of
from stripe_sandbox.metadata import merged
from stripe_sandbox.operations import Operation
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace

KIND = store.KIND


def create(workspace: Workspace, parameters: Json) -> Json:
    if "customer" not in parameters or not parameters.get("items"):
        raise missing_parameter("items" if "customer" in parameters else "customer")
    customer = customers.living(workspace, parameters["customer"])
    now = workspace.now(customer["test_clock"])
    prices = [subscription_items.chosen_price(workspace, item) for item in parameters["items"]]
    subscription_anchors.require_one_rhythm(prices)
    trial_end = trials.end_of(parameters, now)
    start = parameters.get("backdate_start_date", now)
    if start > now:
        raise invalid("backdate_start_date must be in the past.", "backdate_start_date")
    if parameters.get("collection_method") == "send_invoice" and "days_until_due" not in parameters:
        raise missing_parameter("days_until_due")
    subscription: Json = {
        "id": new_id("sub"),
        "object": KIND,
        "automatic_tax": {"enabled": False, "liability": None},
        "billing_cycle_anchor": subscription_anchors.anchor_of(parameters, prices[0], now, trial_end),
        "billing_cycle_anchor_config": subscription_anchors.full_config(parameters.get("billing_cycle_anchor_config")),
        "billing_mode": {"type": parameters.get("billing_mode", {}).get("type", "flexible")},
        "billing_schedules": [],
        "cancel_at": parameters.get("cancel_at"),
        "cancel_at_period_end": False,
        "canceled_at": None,
        "collection_method": parameters.get("collection_method", "charge_automatically"),
        "created": now,
        "currency": prices[0]["currency"],
        "customer": customer["id"],
        "days_until_due": parameters.get("days_until_due"),
        "description": parameters.get("description"),
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "latest_invoice": None,
        "livemode": workspace.livemode,
        "metadata": merged({}, parameters.get("metadata", {})),
        "pause_collection": None,
        "start_date": start,
        "test_clock": customer["test_clock"],
        **trials.fields(trial_end, now),
    }
    for item in parameters["items"]:
        subscription_items.add(workspace, subscription, item, now)
    if parameters.get("cancel_at_period_end"):
        _cancel_at_period_end(workspace, subscription, True, now)
    _first_invoice(workspace, subscription, parameters, now)
    store.save(workspace, subscription)
    shown = store.shown(workspace, subscription)
    events.emit(workspace, "customer.subscription.created", shown, at=now)
    return shown


def _first_invoice(workspace: Workspace, subscription: Json, parameters: Json, now: int) -> None:
    """Licensed items are paid in advance; the metered owe nothing yet, which classic mode and a trial write down."""
    store.save(workspace, subscription)
    items = store.items_of(workspace, subscription["id"])
    prorate = parameters.get("proration_behavior", "create_prorations") != "none"
    plan = invoice_plans.in_advance(workspace, subscription, items, prorate=prorate)
    if subscription["billing_mode"]["type"] == "classic" or trials.is_free(subscription):
        plan += invoice_plans.nothing_yet(workspace, items, now)
    if trials.is_free(subscription):
        plan = invoice_plans.at_nothing(workspace, plan)
    if plan:
        invoice = invoice_store.open_draft(workspace, subscription, plan, "subscription_create", (now, now), now)
        invoice_store.finalize(workspace, invoice, at=now)
        subscription["latest_invoice"] = invoice["id"]


def retrieve(workspace: Workspace, _parameters: Json, subscription_id: str) -> Json:
    return store.shown(workspace, workspace.get(KIND, subscription_id))


def update(workspace: Workspace, parameters: Json, subscription_id: str) -> Json:
    subscription = workspace.get(KIND, subscription_id)
    if subscription["status"] == store.ENDED:
        raise invalid("A canceled subscription can only update its metadata.", "id")
    now = workspace.now(subscription["test_clock"])
    before = store.shown(workspace, subscription)
    for name in ("cancel_at", "collection_method", "days_until_due", "description"):
        if name in parameters:
            subscription[name] = parameters[name]
    if "cancel_at_period_end" in parameters:
        _cancel_at_period_end(workspace, subscription, parameters["cancel_at_period_end"], now)
    if "metadata" in parameters:
        subscription["metadata"] = merged(subscription["metadata"], parameters["metadata"])
    if "pause_collection" in parameters:
        subscription["pause_collection"] = paused_collection.asked(parameters, now)
    if "trial_end" in parameters:
        items = store.items_of(workspace, subscription["id"])
        trials.move_end(subscription, items, parameters["trial_end"], now)
        for item in items:
            store.save_item(workspace, item)
    prorations = {name: parameters[name] for name in ("proration_behavior",) if name in parameters}
    for change in parameters.get("items", ()):
        subscription_items.change(workspace, subscription, {**prorations, **change}, now)
    store.save(workspace, subscription)
    if trials.is_free(subscription) and subscription["trial_end"] <= now:
        billing_cycle.end_period(workspace, subscription, now)
    shown = store.shown(workspace, subscription)
    events.emit(workspace, "customer.subscription.updated", shown, at=now, previous=before)
    return shown


def _cancel_at_period_end(workspace: Workspace, subscription: Json, wanted: bool, now: int) -> None:
    ends = [item["current_period_end"] for item in store.items_of(workspace, subscription["id"])]
    subscription["cancel_at_period_end"] = wanted
    subscription["cancel_at"] = min(ends) if wanted else None
    subscription["canceled_at"] = now if wanted else None


def cancel(workspace: Workspace, parameters: Json, subscription_id: str) -> Json:
    subscription = workspace.get(KIND, subscription_id)
    if subscription["status"] == store.ENDED:
        raise StripeError(f"No such subscription: '{subscription_id}'", status=404, code="resource_missing", param="id")
    now = workspace.now(subscription["test_clock"])
    end_now(workspace, subscription, at=now, invoice_now=parameters.get("invoice_now", False))
    return store.shown(workspace, subscription)


def list_(workspace: Workspace, parameters: Json) -> Json:
    """Without a status, what has not ended; without a customer or a clock, nothing that lives on a clock."""
    customer, status = parameters.get("customer"), parameters.get("status")
    filters: dict[str, Any] = {"customer": customer}
    if customer is None or "test_clock" in parameters:
        filters["test_clock"] = parameters.get("test_clock")
    if status not in (None, "all"):
        filters["status"] = store.ENDED if status == "ended" else status
    return page_of(
        workspace,
        KIND,
        "/v1/subscriptions",
        parameters,
        filters,
        render=partial(store.shown, workspace),
        extra_condition="json_extract(body, '$.status') <> 'canceled'" if status is None else "",
    )


COMMON = "cancel_at cancel_at_period_end collection_method days_until_due description metadata proration_behavior"
OPERATIONS = {
    "v1.subscriptions.create": Operation(
        create,
        f"{COMMON} backdate_start_date billing_cycle_anchor billing_cycle_anchor_config billing_mode.type currency"
        " customer items.metadata items.price items.quantity payment_behavior trial_end trial_period_days",
    ),
    "v1.subscriptions.retrieve": Operation(retrieve),
    "v1.subscriptions.update": Operation(
        update,
        f"{COMMON} items.id items.deleted items.metadata items.price items.quantity pause_collection.behavior"
        " pause_collection.resumes_at trial_end",
    ),
    "v1.subscriptions.cancel": Operation(cancel, "invoice_now prorate"),
    "v1.subscriptions.list": Operation(list_, f"{PAGING} created customer status test_clock"),
}
