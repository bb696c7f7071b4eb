"""Invoice items: an amount that waits for the next invoice of its subscription, or of the customer's next one."""

from stripe_sandbox import customers, events, invoice_item_lines
from stripe_sandbox import subscription_store as subscriptions
from stripe_sandbox.errors import StripeError, missing_parameter
from stripe_sandbox.ids import new_id
from stripe_sandbox.listing import PAGING, page_of
from stripe_sandbox.metadata import merged
from stripe_sandbox.operations import Operation
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace

KIND = invoice_item_lines.KIND


def create(workspace: Workspace, parameters: Json) -> Json:
    for name in ("customer", "amount", "currency"):
        if name not in parameters:
            raise missing_parameter(name)
    customer = customers.living(workspace, parameters["customer"])
    subscription = _subscription(workspace, customer, parameters.get("subscription"))
    now = workspace.now(customer["test_clock"])
    item: Json = {
        "id": new_id("ii"),
        "object": KIND,
        "amount": parameters["amount"],
        "currency": parameters["currency"].lower(),
        "customer": customer["id"],
        "date": now,
        "description": parameters.get("description"),
        "discountable": parameters.get("discountable", parameters["amount"] >= 0),
        "discounts": [],
        "invoice": None,
        "livemode": workspace.livemode,
        "metadata": merged({}, parameters.get("metadata", {})),
        "parent": subscription
        and {
            "type": "subscription_details",
            "subscription_details": {"subscription": subscription, "subscription_item": None},
        },
        "period": parameters.get("period", {"start": now, "end": now}),
        "pricing": None,
        "proration": False,
        "quantity": 1,
        "quantity_decimal": "1",
        "tax_rates": [],
        "test_clock": customer["test_clock"],
    }
    invoice_item_lines.save(workspace, item)
    events.emit(workspace, "invoiceitem.created", item, at=now)
    return item


def _subscription(workspace: Workspace, customer: Json, subscription_id: str | None) -> str | None:
    if subscription_id is None:
        return None
    subscription = workspace.get(subscriptions.KIND, subscription_id, "subscription")
    if subscription["customer"] != customer["id"]:
        raise StripeError("The subscription belongs to another customer.", param="subscription")
    if subscription["status"] == subscriptions.ENDED:
        raise StripeError("An ended subscription has no next invoice.", param="subscription")
    return str(subscription["id"])


def retrieve(workspace: Workspace, _parameters: Json, item_id: str) -> Json:
    return workspace.get(KIND, item_id)


def list_(workspace: Workspace, parameters: Json) -> Json:
    filters = {"customer": parameters.get("customer"), "parent": parameters.get("invoice")}
    wanted = {True: "parent is null", False: "parent is not null", None: ""}[parameters.get("pending")]
    return page_of(workspace, KIND, "/v1/invoiceitems", parameters, filters, extra_condition=wanted)


OPERATIONS = {
    "v1.invoice_items.create": Operation(
        create, "amount currency customer description discountable metadata period.start period.end subscription"
    ),
    "v1.invoice_items.retrieve": Operation(retrieve),
    "v1.invoice_items.list": Operation(list_, f"{PAGING} customer invoice pending"),
}
