"""Cancelling a meter event by its identifier, within 24 hours of its arrival."""

from stripe_sandbox.errors import invalid, missing_parameter
from stripe_sandbox.operations import Operation
from stripe_sandbox.settings import DAY_SECONDS
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace


def create(workspace: Workspace, parameters: Json) -> Json:
    """Takes effect at once, though Stripe answers `pending`; the identifier stays used."""
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
    return {
        "object": "billing.meter_event_adjustment",
        "cancel": {"identifier": identifier},
        "event_name": parameters["event_name"],
        "livemode": workspace.livemode,
        "status": "pending",
        "type": parameters["type"],
    }


OPERATIONS = {"v1.billing.meter_event_adjustments.create": Operation(create, "cancel event_name type")}
