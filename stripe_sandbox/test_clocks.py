"""Test clocks: months in seconds. `advance` only starts the work; the background does it, then the clock is ready."""

from stripe_sandbox import billing_cycle, events
from stripe_sandbox.billing_periods import after_intervals
from stripe_sandbox.errors import StripeError, invalid
from stripe_sandbox.ids import new_id
from stripe_sandbox.listing import PAGING, page_of
from stripe_sandbox.operations import Operation
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace

KIND = "test_helpers.test_clock"
LIFETIME_SECONDS = 30 * 24 * 3600
MAX_INTERVALS = 2


def create(workspace: Workspace, parameters: Json) -> Json:
    if workspace.livemode:
        raise StripeError("Test clocks exist in test mode only.", status=403)
    now = workspace.now()
    clock: Json = {
        "id": new_id("clock"),
        "object": KIND,
        "created": now,
        "deletes_after": now + LIFETIME_SECONDS,
        "frozen_time": parameters["frozen_time"],
        "livemode": False,
        "name": parameters.get("name"),
        "status": "ready",
        "status_details": {},
    }
    workspace.save(clock)
    events.emit(workspace, "test_helpers.test_clock.created", clock, at=now)
    return clock


def advance(workspace: Workspace, parameters: Json, clock_id: str) -> Json:
    clock = workspace.get(KIND, clock_id)
    target = parameters["frozen_time"]
    if clock["status"] != "ready":
        raise StripeError("The test clock is still advancing.", code="test_clock_advancing", param="id")
    if target <= clock["frozen_time"]:
        raise invalid("A test clock can only be advanced forwards.", "frozen_time")
    if target > _furthest(workspace, clock):
        raise invalid(
            "A test clock can be advanced by at most two intervals of its shortest subscription.", "frozen_time"
        )
    clock.update(status="advancing", status_details={"advancing": {"target_frozen_time": target}})
    workspace.save(clock)
    events.emit(workspace, "test_helpers.test_clock.advancing", clock, at=workspace.now())
    return clock


def _furthest(workspace: Workspace, clock: Json) -> int:
    shortest = billing_cycle.shortest_interval(workspace, clock["id"]) or {"interval": "year", "interval_count": 1}
    return after_intervals(clock["frozen_time"], shortest["interval"], MAX_INTERVALS * shortest["interval_count"])


def step(workspace: Workspace, clock_id: str) -> bool:
    """One piece of an advancing clock's work; false when it is done."""
    clock = workspace.state.find(workspace.namespace, KIND, clock_id)
    if clock is None or clock["status"] != "advancing":
        return False
    target = clock["status_details"]["advancing"]["target_frozen_time"]
    if billing_cycle.run_next_due(workspace, clock_id, target):
        return True
    with workspace.state.transaction():
        clock.update(frozen_time=target, status="ready", status_details={})
        workspace.save(clock)
        events.emit(workspace, "test_helpers.test_clock.ready", clock, at=workspace.now())
    return False


def retrieve(workspace: Workspace, _parameters: Json, clock_id: str) -> Json:
    return workspace.get(KIND, clock_id)


def delete(workspace: Workspace, _parameters: Json, clock_id: str) -> Json:
    """Takes everything that lives on it along."""
    clock = workspace.get(KIND, clock_id)
    workspace.state.execute(
        "delete from objects where namespace = ? and kind = 'subscription_item' and parent in"
        " (select id from objects where namespace = ? and kind = 'subscription' and test_clock = ?)",
        (workspace.namespace, workspace.namespace, clock_id),
    )
    workspace.state.execute(
        "delete from objects where namespace = ? and test_clock = ?", (workspace.namespace, clock_id)
    )
    workspace.state.delete(workspace.namespace, clock_id)
    events.emit(workspace, "test_helpers.test_clock.deleted", clock, at=workspace.now())
    return {"id": clock_id, "object": KIND, "deleted": True}


def list_(workspace: Workspace, parameters: Json) -> Json:
    return page_of(workspace, KIND, "/v1/test_helpers/test_clocks", parameters)


OPERATIONS = {
    "v1.test_helpers.test_clocks.create": Operation(create, "frozen_time name"),
    "v1.test_helpers.test_clocks.advance": Operation(advance, "frozen_time"),
    "v1.test_helpers.test_clocks.retrieve": Operation(retrieve),
    "v1.test_helpers.test_clocks.delete": Operation(delete),
    "v1.test_helpers.test_clocks.list": Operation(list_, PAGING),
}
