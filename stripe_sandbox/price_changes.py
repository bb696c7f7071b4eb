"""Another price for an item, in the middle of its period: the periods stay, and the two parts are billed apart.

Metered, in flexible billing mode: usage up to the change becomes an invoice item at the old price. Metered, in classic
mode or without prorations: only usage after the change is billed. Licensed: the rest of the period, credited, charged.
"""

from decimal import Decimal

from stripe_sandbox import invoice_item_lines, invoice_items, invoice_store, pricing, usage
from stripe_sandbox import subscription_store as store
from stripe_sandbox.errors import StripeError, invalid
from stripe_sandbox.pricing import EXACT, ZERO, plain
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace


def change(workspace: Workspace, subscription: Json, item: Json, price: Json, parameters: Json, now: int) -> None:
    """Gives the item the price; the caller saves it. What the old one is owed becomes invoice items, or nothing."""
    old = store.price_of(workspace, item)
    _check(workspace, subscription, item, old, price)
    prorates = (
        parameters.get("proration_behavior", "create_prorations") != "none" and subscription["status"] == "active"
    )
    if prorates and store.is_metered(old):
        if subscription["billing_mode"]["type"] == "flexible":
            _bill_usage(workspace, subscription, item, old, now)
    elif prorates:
        _bill_rest(workspace, subscription, item, (old, price), now)
    item["price"] = price["id"]
    if store.is_metered(price):
        item["_billed_from"] = now
    if prorates and parameters.get("proration_behavior") == "always_invoice":
        _invoice_now(workspace, subscription, item, now)


def _check(workspace: Workspace, subscription: Json, item: Json, old: Json, new: Json) -> None:
    others = [each for each in store.items_of(workspace, subscription["id"]) if each["id"] != item["id"]]
    if any(each["price"] == new["id"] for each in others):
        raise invalid("Another item of the subscription already has this price.", "price")
    if new["currency"] != old["currency"]:
        raise invalid("The new price must have the subscription's currency.", "price")
    rhythms = [(price["recurring"]["interval"], price["recurring"]["interval_count"]) for price in (old, new)]
    if rhythms[0] != rhythms[1] or store.is_metered(old) != store.is_metered(new):
        raise StripeError(
            "This sandbox changes a price to one of the same interval and usage type only.",
            code="parameter_not_in_sandbox",
            param="price",
        )


def _bill_usage(workspace: Workspace, subscription: Json, item: Json, price: Json, now: int) -> None:
    """What is applied by now; what comes later for the part before the change is on no invoice."""
    start = item.get("_billed_from") or item["current_period_start"]
    meter = workspace.get("billing.meter", price["recurring"]["meter"])
    used = max(ZERO, usage.total(workspace, meter, subscription["customer"], start, now))
    for charge in pricing.charges(price, used, workspace.settings.line_per_graduated_tier):
        if not charge.quantity and not charge.amount:
            continue
        said = f"{plain(charge.quantity)} × {price['nickname'] or price['id']} before the price changed"
        _add(workspace, subscription, item, price, charge.amount, charge.quantity, (start, now), said)


def _bill_rest(workspace: Workspace, subscription: Json, item: Json, prices: tuple[Json, Json], now: int) -> None:
    start, end = item["current_period_start"], item["current_period_end"]
    quantity = Decimal(item["quantity"])
    for price, sign, word in zip(prices, (-1, 1), ("Unused", "Remaining"), strict=True):
        whole = Decimal(sum(charge.amount for charge in pricing.charges(price, quantity)))
        amount = pricing.minor_units(EXACT.divide(EXACT.multiply(whole, Decimal(end - now)), Decimal(end - start)))
        said = f"{word} time on {price['nickname'] or price['id']}"
        _add(workspace, subscription, item, price, sign * amount, quantity, (now, end), said)


def _add(
    workspace: Workspace,
    subscription: Json,
    item: Json,
    price: Json,
    amount: int,
    quantity: Decimal,
    period: tuple[int, int],
    description: str,
) -> None:
    created = invoice_items.create(
        workspace,
        {
            "customer": subscription["customer"],
            "subscription": subscription["id"],
            "amount": amount,
            "currency": price["currency"],
            "description": description,
            "period": {"start": period[0], "end": period[1]},
        },
    )
    created["parent"]["subscription_details"]["subscription_item"] = item["id"]
    created.update(proration=True, quantity=int(quantity), quantity_decimal=plain(quantity))
    created["pricing"] = {
        "type": "price_details",
        "price_details": {"price": price["id"], "product": price["product"]},
        "unit_amount_decimal": price["unit_amount_decimal"],
    }
    invoice_item_lines.save(workspace, created)


def _invoice_now(workspace: Workspace, subscription: Json, item: Json, now: int) -> None:
    period = (item["current_period_start"], now)
    invoice = invoice_store.open_draft(workspace, subscription, [], "subscription_update", period, now)
    invoice_store.finalize(workspace, invoice, at=now)
    subscription["latest_invoice"] = invoice["id"]
