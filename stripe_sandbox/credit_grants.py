"""Billing credits: granted and listed. Finalization does not draw them down here."""

from stripe_sandbox import customers, events
from stripe_sandbox.errors import invalid, missing_parameter
from stripe_sandbox.ids import new_id
from stripe_sandbox.listing import PAGING, page_of
from stripe_sandbox.metadata import merged
from stripe_sandbox.operations import Operation
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace

KIND = "billing.credit_grant"
_USUAL_PRIORITY = 50


def create(workspace: Workspace, parameters: Json) -> Json:
    if "customer" not in parameters:
        raise missing_parameter("customer")
    amount = parameters["amount"].get("monetary")
    if amount is None or amount["value"] <= 0:
        raise invalid("A credit grant needs a positive monetary amount.", "amount[monetary]")
    customer = customers.living(workspace, parameters["customer"])
    now = workspace.now(customer["test_clock"])
    scope = parameters["applicability_config"]["scope"]
    grant: Json = {
        "id": new_id("credgr"),
        "object": KIND,
        "amount": {"type": "monetary", "monetary": {"currency": amount["currency"].lower(), "value": amount["value"]}},
        "applicability_config": {"scope": {"price_type": scope.get("price_type"), "prices": []}},
        "category": parameters.get("category", "paid"),
        "created": now,
        "customer": customer["id"],
        "effective_at": now,
        "expires_at": parameters.get("expires_at"),
        "livemode": workspace.livemode,
        "metadata": merged({}, parameters.get("metadata", {})),
        "name": parameters.get("name"),
        "priority": parameters.get("priority", _USUAL_PRIORITY),
        "test_clock": customer["test_clock"],
        "updated": now,
        "voided_at": None,
    }
    workspace.save(grant, customer=customer["id"], test_clock=customer["test_clock"])
    events.emit(workspace, "billing.credit_grant.created", grant, at=now)
    return grant


def retrieve(workspace: Workspace, _parameters: Json, grant_id: str) -> Json:
    return workspace.get(KIND, grant_id)


def list_(workspace: Workspace, parameters: Json) -> Json:
    filters = {"customer": parameters.get("customer")}
    return page_of(workspace, KIND, "/v1/billing/credit_grants", parameters, filters)


OPERATIONS = {
    "v1.billing.credit_grants.create": Operation(
        create,
        "amount.type amount.monetary.currency amount.monetary.value applicability_config.scope.price_type category"
        " customer expires_at metadata name priority",
    ),
    "v1.billing.credit_grants.retrieve": Operation(retrieve),
    "v1.billing.credit_grants.list": Operation(list_, f"{PAGING} customer"),
}
