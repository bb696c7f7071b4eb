"""Customers: whom a subscription bills, in real time or on a test clock."""

from stripe_sandbox import cancellation, events
from stripe_sandbox.errors import missing_resource
from stripe_sandbox.ids import new_id
from stripe_sandbox.listing import PAGING, page_of
from stripe_sandbox.metadata import merged
from stripe_sandbox.operations import Operation
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace

KIND = "customer"


def create(workspace: Workspace, parameters: Json) -> Json:
    test_clock = parameters.get("test_clock")
    now = workspace.now(test_clock)  # also refuses a clock that does not exist
    customer: Json = {
        "id": new_id("cus", 14),
        "object": KIND,
        "balance": 0,
        "created": now,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": parameters.get("description"),
        "discount": None,
        "email": parameters.get("email"),
        "invoice_prefix": new_id("X", 7)[2:].upper(),
        "livemode": workspace.livemode,
        "metadata": merged({}, parameters.get("metadata", {})),
        "name": parameters.get("name"),
        "next_invoice_sequence": 1,
        "phone": parameters.get("phone"),
        "preferred_locales": [],
        "tax_exempt": "none",
        "test_clock": test_clock,
    }
    save(workspace, customer)
    events.emit(workspace, "customer.created", customer, at=now)
    return customer


def save(workspace: Workspace, customer: Json) -> None:
    workspace.save(customer, test_clock=customer.get("test_clock"))


def living(workspace: Workspace, customer_id: str, param: str = "customer") -> Json:
    """A customer that can still be billed; a deleted one is as good as unknown."""
    customer = workspace.get(KIND, customer_id, param)
    if customer.get("deleted"):
        raise missing_resource(KIND, customer_id, param)
    return customer


def retrieve(workspace: Workspace, _parameters: Json, customer_id: str) -> Json:
    return workspace.get(KIND, customer_id)


def update(workspace: Workspace, parameters: Json, customer_id: str) -> Json:
    customer = living(workspace, customer_id, "id")
    for name in ("description", "email", "name", "phone"):
        if name in parameters:
            customer[name] = parameters[name]
    if "metadata" in parameters:
        customer["metadata"] = merged(customer["metadata"], parameters["metadata"])
    save(workspace, customer)
    events.emit(workspace, "customer.updated", customer, at=workspace.now(customer["test_clock"]))
    return customer


def delete(workspace: Workspace, _parameters: Json, customer_id: str) -> Json:
    """The stub stays: usage that still names this customer is dropped and reported, not refused."""
    customer = living(workspace, customer_id, "id")
    now = workspace.now(customer["test_clock"])
    cancellation.cancel_all_of(workspace, customer_id, at=now)
    stub = {"id": customer_id, "object": KIND, "deleted": True}
    workspace.save(stub, test_clock=customer["test_clock"])
    events.emit(workspace, "customer.deleted", customer, at=now)
    return stub


def list_(workspace: Workspace, parameters: Json) -> Json:
    """Customers on a test clock show only when that clock is asked for."""
    filters = {"test_clock": parameters.get("test_clock"), "email": parameters.get("email")}
    living_only = "json_extract(body, '$.deleted') is null"
    return page_of(workspace, KIND, "/v1/customers", parameters, filters, extra_condition=living_only)


OPERATIONS = {
    "v1.customers.create": Operation(create, "description email metadata name phone test_clock"),
    "v1.customers.retrieve": Operation(retrieve),
    "v1.customers.update": Operation(update, "description email metadata name phone"),
    "v1.customers.delete": Operation(delete),
    "v1.customers.list": Operation(list_, f"{PAGING} created email test_clock"),
}
