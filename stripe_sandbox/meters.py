"""Meters: which event name is counted, how, and from which keys of its payload."""

from stripe_sandbox import events
from stripe_sandbox.errors import StripeError
from stripe_sandbox.ids import new_id
from stripe_sandbox.listing import PAGING, page_of
from stripe_sandbox.operations import Operation
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace

KIND = "billing.meter"


def create(workspace: Workspace, parameters: Json) -> Json:
    _refuse_second_active(workspace, parameters["event_name"])
    now = workspace.now()
    meter: Json = {
        "id": new_id("mtr_test" if not workspace.livemode else "mtr"),
        "object": KIND,
        "created": now,
        "customer_mapping": parameters.get("customer_mapping")
        or {"event_payload_key": "stripe_customer_id", "type": "by_id"},
        "default_aggregation": parameters["default_aggregation"],
        "display_name": parameters["display_name"],
        "event_name": parameters["event_name"],
        "event_time_window": parameters.get("event_time_window"),
        "livemode": workspace.livemode,
        "status": "active",
        "status_transitions": {"deactivated_at": None},
        "updated": now,
        "value_settings": parameters.get("value_settings") or {"event_payload_key": "value"},
    }
    _save(workspace, meter, "created")
    return meter


def counting(workspace: Workspace, event_name: str) -> Json | None:
    """The meter an event name belongs to: the active one, else the last one that was."""
    found = workspace.state.select(workspace.namespace, KIND, "and parent = ?", (event_name,))
    active = [meter for meter in found if meter["status"] == "active"]
    candidates = active or found
    return candidates[-1] if candidates else None


def _refuse_second_active(workspace: Workspace, event_name: str) -> None:
    meter = counting(workspace, event_name)
    if meter is not None and meter["status"] == "active":
        raise StripeError(
            f"There is already an active meter with the event name {event_name}: {meter['id']}.",
            code="resource_already_exists",
            param="event_name",
        )


def _save(workspace: Workspace, meter: Json, change: str) -> None:
    workspace.save(meter, parent=meter["event_name"])
    events.emit(workspace, f"billing.meter.{change}", meter, at=meter["updated"])


def retrieve(workspace: Workspace, _parameters: Json, meter_id: str) -> Json:
    return workspace.get(KIND, meter_id)


def update(workspace: Workspace, parameters: Json, meter_id: str) -> Json:
    meter = workspace.get(KIND, meter_id)
    meter.update(display_name=parameters.get("display_name", meter["display_name"]), updated=workspace.now())
    _save(workspace, meter, "updated")
    return meter


def deactivate(workspace: Workspace, _parameters: Json, meter_id: str) -> Json:
    meter = workspace.get(KIND, meter_id)
    if meter["status"] == "inactive":
        raise StripeError("The meter is already inactive.", param="id")
    now = workspace.now()
    meter.update(status="inactive", status_transitions={"deactivated_at": now}, updated=now)
    _save(workspace, meter, "deactivated")
    return meter


def reactivate(workspace: Workspace, _parameters: Json, meter_id: str) -> Json:
    meter = workspace.get(KIND, meter_id)
    _refuse_second_active(workspace, meter["event_name"])
    meter.update(status="active", status_transitions={"deactivated_at": None}, updated=workspace.now())
    _save(workspace, meter, "reactivated")
    return meter


def list_(workspace: Workspace, parameters: Json) -> Json:
    return page_of(workspace, KIND, "/v1/billing/meters", parameters, {"status": parameters.get("status")})


OPERATIONS = {
    "v1.billing.meters.create": Operation(
        create, "customer_mapping default_aggregation display_name event_name event_time_window value_settings"
    ),
    "v1.billing.meters.retrieve": Operation(retrieve),
    "v1.billing.meters.update": Operation(update, "display_name"),
    "v1.billing.meters.deactivate": Operation(deactivate),
    "v1.billing.meters.reactivate": Operation(reactivate),
    "v1.billing.meters.list": Operation(list_, f"{PAGING} status"),
}
