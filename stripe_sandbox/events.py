"""Snapshot events: what happened, with the object as it was then. Written in the same transaction as the change."""

import json
from typing import Any

from stripe_sandbox import webhook_queue
from stripe_sandbox.ids import new_id
from stripe_sandbox.listing import PAGING, page_of
from stripe_sandbox.operations import Operation
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace, public

KIND = "event"
API_VERSION = "2026-10-28.endive"


def emit(workspace: Workspace, type_: str, subject: Json, *, at: int, previous: Json | None = None) -> None:
    """`subject` as the API shows it; `previous` is how it looked before, of which only the changes are kept."""
    after = public(subject)
    data: dict[str, Any] = {"object": after}
    if previous is not None:
        data["previous_attributes"] = {name: old for name, old in previous.items() if after.get(name) != old}
    event: Json = {
        "id": new_id("evt"),
        "object": KIND,
        "api_version": API_VERSION,
        "created": at,
        "data": data,
        "livemode": workspace.livemode,
        "pending_webhooks": 0,
        "request": {"id": workspace.request_id, "idempotency_key": workspace.idempotency_key},
        "type": type_,
    }
    event["pending_webhooks"] = webhook_queue.enqueue(workspace, event, payload="snapshot")
    workspace.save(event, parent=type_)


def retrieve(workspace: Workspace, _parameters: Json, event_id: str) -> Json:
    return workspace.get(KIND, event_id)


def list_(workspace: Workspace, parameters: Json) -> Json:
    types = parameters.get("types")
    filters = {"parent": parameters.get("type"), "parents": json.dumps(types) if types else None}
    return page_of(workspace, KIND, "/v1/events", parameters, filters)


OPERATIONS = {
    "v1.events.retrieve": Operation(retrieve),
    "v1.events.list": Operation(list_, f"{PAGING} created type types"),
}
