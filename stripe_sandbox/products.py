"""Products: a name for prices to hang on."""

from stripe_sandbox import events
from stripe_sandbox.errors import StripeError
from stripe_sandbox.ids import new_id
from stripe_sandbox.listing import PAGING, page_of
from stripe_sandbox.metadata import merged
from stripe_sandbox.operations import Operation
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace

KIND = "product"


def create(workspace: Workspace, parameters: Json) -> Json:
    product_id = parameters.get("id") or new_id("prod", 14)
    if workspace.state.find(workspace.namespace, KIND, product_id):
        raise StripeError(f"Product already exists: {product_id}", code="resource_already_exists", param="id")
    now = workspace.now()
    product: Json = {
        "id": product_id,
        "object": KIND,
        "active": parameters.get("active", True),
        "created": now,
        "default_price": None,
        "description": parameters.get("description"),
        "images": [],
        "livemode": workspace.livemode,
        "marketing_features": [],
        "metadata": merged({}, parameters.get("metadata", {})),
        "name": parameters["name"],
        "statement_descriptor": None,
        "tax_code": None,
        "type": "service",
        "unit_label": parameters.get("unit_label"),
        "updated": now,
        "url": None,
    }
    workspace.save(product)
    events.emit(workspace, "product.created", product, at=now)
    return product


def retrieve(workspace: Workspace, _parameters: Json, product_id: str) -> Json:
    return workspace.get(KIND, product_id)


def update(workspace: Workspace, parameters: Json, product_id: str) -> Json:
    product = workspace.get(KIND, product_id)
    for name in ("active", "description", "name", "unit_label"):
        if name in parameters:
            product[name] = parameters[name]
    if "metadata" in parameters:
        product["metadata"] = merged(product["metadata"], parameters["metadata"])
    product["updated"] = workspace.now()
    workspace.save(product)
    events.emit(workspace, "product.updated", product, at=product["updated"])
    return product


def list_(workspace: Workspace, parameters: Json) -> Json:
    filters = {"active": parameters.get("active")}
    return page_of(workspace, KIND, "/v1/products", parameters, filters)


OPERATIONS = {
    "v1.products.create": Operation(create, "active description id metadata name unit_label"),
    "v1.products.retrieve": Operation(retrieve),
    "v1.products.update": Operation(update, "active description metadata name unit_label"),
    "v1.products.list": Operation(list_, f"{PAGING} active created"),
}
