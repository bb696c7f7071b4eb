"""Event destinations of the newer API: where thin events are sent."""

from stripe_sandbox.clock import rfc3339
from stripe_sandbox.errors import missing_parameter
from stripe_sandbox.ids import new_id
from stripe_sandbox.operations import Operation
from stripe_sandbox.state import Json
from stripe_sandbox.webhook_queue import DESTINATION_KIND as KIND
from stripe_sandbox.workspace import Workspace, public


def create(workspace: Workspace, parameters: Json) -> Json:
    url = parameters.get("webhook_endpoint", {}).get("url")
    if url is None:
        raise missing_parameter("webhook_endpoint[url]")
    now = rfc3339(workspace.clock.now())
    destination: Json = {
        "id": new_id("ed"),
        "object": KIND,
        "created": now,
        "description": parameters.get("description", ""),
        "enabled_events": parameters["enabled_events"],
        "event_payload": parameters["event_payload"],
        "livemode": workspace.livemode,
        "metadata": parameters.get("metadata", {}),
        "name": parameters["name"],
        "status": "enabled",
        "type": parameters["type"],
        "updated": now,
        "_url": url,
        "_secret": new_id("whsec", 32),
    }
    workspace.save(destination)
    redacted = {
        "webhook_endpoint.url": ("url", url),
        "webhook_endpoint.signing_secret": ("signing_secret", destination["_secret"]),
    }
    asked = dict(redacted[name] for name in parameters.get("include", ()))
    return {**destination, "webhook_endpoint": asked} if asked else destination


def retrieve(workspace: Workspace, _parameters: Json, destination_id: str) -> Json:
    return workspace.get(KIND, destination_id)


def delete(workspace: Workspace, _parameters: Json, destination_id: str) -> Json:
    workspace.get(KIND, destination_id)
    workspace.state.delete(workspace.namespace, destination_id)
    return {"id": destination_id, "object": KIND}


def list_(workspace: Workspace, _parameters: Json) -> Json:
    found = workspace.state.select(workspace.namespace, KIND)
    return {"data": [public(each) for each in reversed(found)], "next_page_url": None, "previous_page_url": None}


OPERATIONS = {
    "v2.core.event_destinations.create": Operation(
        create, "description enabled_events event_payload include metadata name type webhook_endpoint"
    ),
    "v2.core.event_destinations.retrieve": Operation(retrieve),
    "v2.core.event_destinations.delete": Operation(delete),
    "v2.core.event_destinations.list": Operation(list_),
}
