"""Webhook endpoints: where snapshot events are sent."""

from stripe_sandbox.errors import invalid
from stripe_sandbox.ids import new_id
from stripe_sandbox.listing import PAGING, page_of
from stripe_sandbox.metadata import merged
from stripe_sandbox.operations import Operation
from stripe_sandbox.state import Json
from stripe_sandbox.webhook_queue import ENDPOINT_KIND as KIND
from stripe_sandbox.workspace import Workspace


def create(workspace: Workspace, parameters: Json) -> Json:
    """The only answer that shows the signing secret."""
    if not parameters["url"].startswith(("http://", "https://")):
        raise invalid("Invalid URL: it must begin with http:// or https://.", "url")
    endpoint: Json = {
        "id": new_id("we"),
        "object": KIND,
        "api_version": parameters.get("api_version"),
        "application": None,
        "created": workspace.now(),
        "description": parameters.get("description"),
        "enabled_events": parameters["enabled_events"],
        "livemode": workspace.livemode,
        "metadata": merged({}, parameters.get("metadata", {})),
        "status": "enabled",
        "url": parameters["url"],
        "_secret": new_id("whsec", 32),
    }
    workspace.save(endpoint)
    return {**endpoint, "secret": endpoint["_secret"]}


def retrieve(workspace: Workspace, _parameters: Json, endpoint_id: str) -> Json:
    return workspace.get(KIND, endpoint_id)


def delete(workspace: Workspace, _parameters: Json, endpoint_id: str) -> Json:
    workspace.get(KIND, endpoint_id)
    workspace.state.delete(workspace.namespace, endpoint_id)
    return {"id": endpoint_id, "object": KIND, "deleted": True}


def list_(workspace: Workspace, parameters: Json) -> Json:
    return page_of(workspace, KIND, "/v1/webhook_endpoints", parameters)


OPERATIONS = {
    "v1.webhook_endpoints.create": Operation(create, "api_version description enabled_events metadata url"),
    "v1.webhook_endpoints.retrieve": Operation(retrieve),
    "v1.webhook_endpoints.delete": Operation(delete),
    "v1.webhook_endpoints.list": Operation(list_, PAGING),
}
