"""Which endpoints want an event, noted durably beside it; webhook_delivery.py takes it from there."""

import random

from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace

ENDPOINT_KIND = "webhook_endpoint"
DESTINATION_KIND = "v2.core.event_destination"


def enqueue(workspace: Workspace, event: Json, *, payload: str) -> int:
    """`payload` is snapshot or thin; endpoints of the older API only know snapshots. Answers how many will get it."""
    interested = [
        each["id"]
        for kind in (ENDPOINT_KIND, DESTINATION_KIND)
        for each in workspace.state.select(workspace.namespace, kind)
        if each["status"] == "enabled"
        and each.get("event_payload", "snapshot") == payload
        and {"*", event["type"]} & set(each["enabled_events"])
    ]
    for destination in interested * workspace.settings.webhook_copies:
        delay = random.uniform(0, workspace.settings.webhook_delay_spread_seconds)
        workspace.state.execute(
            "insert into webhook_deliveries (namespace, destination, event, next_attempt_at) values (?, ?, ?, ?)",
            (workspace.namespace, destination, event["id"], workspace.clock.now() + delay),
        )
    return len(interested)
