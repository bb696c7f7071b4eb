"""Pending invoice items: which of them an invoice takes up, and the lines that they become."""

from stripe_sandbox.ids import derived_id
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace

KIND = "invoiceitem"


def pending(workspace: Workspace, customer: str, subscription: str) -> list[str]:
    """Ids, oldest first: items of no invoice yet that belong to this subscription or to none."""
    items = workspace.state.select(workspace.namespace, KIND, "and customer = ? and parent is null", (customer,))
    return [item["id"] for item in items if _subscription(item) in (None, subscription)]


def take_up(workspace: Workspace, invoice: Json) -> None:
    """The invoice's items are on it for good; none of them is pending any more."""
    for item_id in invoice.get("_items", ()):
        save(workspace, {**workspace.get(KIND, item_id), "invoice": invoice["id"]})


def save(workspace: Workspace, item: Json) -> None:
    workspace.save(item, customer=item["customer"], test_clock=item["test_clock"], parent=item["invoice"])


def lines(workspace: Workspace, invoice: Json) -> list[Json]:
    return [_line(workspace, invoice, workspace.get(KIND, item_id)) for item_id in invoice.get("_items", ())]


def _subscription(item: Json) -> str | None:
    return item["parent"]["subscription_details"]["subscription"] if item["parent"] else None


def _line(workspace: Workspace, invoice: Json, item: Json) -> Json:
    prefix = "il_tmp" if invoice["id"].startswith("upcoming_in") else "il"
    return {
        "id": derived_id(prefix, invoice["id"], item["id"]),
        "object": "line_item",
        "amount": item["amount"],
        "currency": item["currency"],
        "description": item["description"],
        "discount_amounts": [],
        "discountable": item["discountable"],
        "discounts": [],
        "invoice": invoice["id"],
        "livemode": workspace.livemode,
        "metadata": item["metadata"],
        "parent": {
            "type": "invoice_item_details",
            "invoice_item_details": {
                "invoice_item": item["id"],
                "proration": item["proration"],
                "proration_details": {"credited_items": None},
                "subscription": _subscription(item),
            },
            "subscription_item_details": None,
        },
        "period": item["period"],
        "pretax_credit_amounts": [],
        "pricing": item["pricing"],
        "quantity": item["quantity"],
        "quantity_decimal": item["quantity_decimal"],
        "subtotal": item["amount"],
        "taxes": [],
    }
