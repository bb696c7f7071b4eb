"""Cancelling a meter event by its identifier, within 24 hours of its arrival."""

from stripe_sandbox.clock import rfc3339
from stripe_sandbox.errors import invalid, missing_parameter
from stripe_sandbox.ids import new_id
from stripe_sandbox.operations import Operation
from stripe_sandbox.settings import DAY_SECONDS
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace


def create(workspace: Workspace, parameters: Json) -> Json:
    """Takes effect at once, though Stripe answers `pending`; the identifier stays used, unless a knob frees it."""
    _cancel(workspace, parameters)
    return {
        "object": "billing.meter_event_adjustment",
        **{name: parameters[name] for name in ("cancel", "event_name", "type")},
        "livemode": workspace.livemode,
        "status": "pending",
    }


def create_v2(workspace: Workspace, parameters: Json) -> Json:
    _cancel(workspace, parameters)
    return {
        "id": new_id("mtr_adj" if workspace.livemode else "mtr_test_adj"),
        "object": "v2.billing.meter_event_adjustment",
        "created": rfc3339(workspace.clock.now()),
        **{name: parameters[name] for name in ("cancel", "event_name", "type")},
        "livemode": workspace.livemode,
        "status": "pending",
    }


def _cancel(workspace: Workspace, parameters: Json) -> None:
    identifier = (parameters.get("cancel") or {}).get("identifier")
    if identifier is None:
        raise missing_parameter("cancel[identifier]")
    cancelled = workspace.state.execute(
        "update meter_events set outcome = 'cancelled' where namespace = ? and identifier = ? and event_name = ?"
        " and received_at > ? and outcome in ('pending', 'applied')",
        (workspace.namespace, identifier, parameters["event_name"], workspace.clock.now() - DAY_SECONDS),
    )
    if not cancelled:
        raise invalid(f"No event of the last 24 hours has the identifier {identifier}.", "cancel[identifier]")


TAKES = "cancel event_name type"
OPERATIONS = {
    "v1.billing.meter_event_adjustments.create": Operation(create, TAKES),
    "v2.billing.meter_event_adjustments.create": Operation(create_v2, TAKES),
}
