"""An invoice's lines, computed from its plan and from what is applied at this moment."""

from decimal import Decimal

from stripe_sandbox import pricing, usage
from stripe_sandbox.ids import derived_id
from stripe_sandbox.invoice_plans import Plan
from stripe_sandbox.pricing import EXACT, ZERO, Charge, plain
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace


def lines(workspace: Workspace, invoice: Json, plan: Plan) -> list[Json]:
    result = []
    for entry in plan:
        quantity = _quantity(workspace, invoice["customer"], entry)
        settings = workspace.settings
        shape = settings.line_per_graduated_tier, settings.packaged_line_shows_packages
        for charge in pricing.charges(entry["price"], quantity, *shape):
            result.append(_line(workspace, invoice, entry, charge))
    return result


def _quantity(workspace: Workspace, customer: str, entry: Json) -> Decimal:
    meter_id = entry["price"]["recurring"]["meter"]
    if meter_id is None:
        return Decimal(entry["quantity"])
    if "used" in entry:
        return Decimal(entry["used"])
    meter = workspace.get("billing.meter", meter_id)
    total = usage.total(workspace, meter, customer, entry["start"], entry["end"])
    return max(ZERO, total)  # a period that nets out negative bills nothing


def _line(workspace: Workspace, invoice: Json, entry: Json, charge: Charge) -> Json:
    price = entry["price"]
    share = Decimal(entry.get("share", "1"))
    amount = charge.amount if share == 1 else pricing.minor_units(EXACT.multiply(Decimal(charge.amount), share))
    prefix = "il_tmp" if invoice["id"].startswith("upcoming_in") else "il"
    return {
        "id": derived_id(prefix, invoice["id"], entry["item"], entry["start"], charge.tier),
        "object": "line_item",
        "amount": amount,
        "currency": price["currency"],
        "description": _description(price, charge),
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": invoice["id"],
        "livemode": workspace.livemode,
        "metadata": {},
        "parent": {
            "type": "subscription_item_details",
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": False,
                "proration_details": {"credited_items": None},
                "subscription": invoice["parent"]["subscription_details"]["subscription"],
                "subscription_item": entry["item"],
            },
        },
        "period": {"start": entry["start"], "end": entry["end"]},
        "pretax_credit_amounts": [],
        "pricing": {
            "type": "price_details",
            "price_details": {"price": price["id"], "product": price["product"]},
            "unit_amount_decimal": None if charge.unit_amount is None else plain(charge.unit_amount),
        },
        "quantity": int(charge.quantity),  # decimals cut off, as Stripe does; quantity_decimal has them
        "quantity_decimal": plain(charge.quantity),
        "subtotal": amount,
        "taxes": [],
    }


def _description(price: Json, charge: Charge) -> str:
    tier = "" if charge.tier is None or price["tiers_mode"] != "graduated" else f" (tier {charge.tier + 1})"
    return f"{plain(charge.quantity)} × {price['nickname'] or price['id']}{tier}"
