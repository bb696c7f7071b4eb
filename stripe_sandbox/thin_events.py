"""Thin events: readable at /v2/core/events, delivered without their data."""

from typing import Any

from stripe_sandbox import webhook_queue
from stripe_sandbox.clock import rfc3339
from stripe_sandbox.ids import new_id
from stripe_sandbox.operations import Operation
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace, public

KIND = "v2.core.event"
PAGE = 20


def emit(workspace: Workspace, type_: str, data: Json, related_object: Json | None) -> None:
    event: Json = {
        "id": new_id("evt_test" if not workspace.livemode else "evt"),
        "object": KIND,
        "context": None,
        "created": rfc3339(workspace.clock.now()),
        "data": data,
        "livemode": workspace.livemode,
        "reason": None,
        "type": type_,
    }
    if related_object is not None:
        event["related_object"] = related_object
    workspace.save(event, parent=type_)
    webhook_queue.enqueue(workspace, event, payload="thin")


def retrieve(workspace: Workspace, _parameters: Json, event_id: str) -> Json:
    return workspace.get(KIND, event_id)


def list_(workspace: Workspace, parameters: Json) -> Json:
    """Newest first, with their data, as fetched events have it. One page holds at most 100."""
    events = reversed(workspace.state.select(workspace.namespace, KIND))
    matching = [public(event) for event in events if _matches(event, parameters)]
    return {"data": matching[: parameters.get("limit", PAGE)], "next_page_url": None, "previous_page_url": None}


def _matches(event: Json, parameters: Json) -> bool:
    related: dict[str, Any] = event.get("related_object", {})
    types, object_id = parameters.get("types"), parameters.get("object_id")
    return (not types or event["type"] in types) and (object_id is None or related.get("id") == object_id)


OPERATIONS = {
    "v2.core.events.retrieve": Operation(retrieve),
    "v2.core.events.list": Operation(list_, "limit object_id types"),
}
