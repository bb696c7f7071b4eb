"""Receiving meter events: what is refused at the door, and what is only accepted. meter_event_application.py counts."""

import json
import random
from typing import Any

from stripe_sandbox import meters
from stripe_sandbox.clock import from_rfc3339, rfc3339
from stripe_sandbox.errors import DuplicateIdentifier, StripeError, invalid, missing_resource
from stripe_sandbox.ids import new_id
from stripe_sandbox.meter_event_payloads import check_value, customer_of
from stripe_sandbox.operations import Operation
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace


def create(workspace: Workspace, parameters: Json) -> Json:
    timestamp = _accept(workspace, parameters, parameters.get("timestamp"))
    return {
        "object": "billing.meter_event",
        "created": workspace.now(),
        "event_name": parameters["event_name"],
        "identifier": parameters["identifier"],
        "livemode": workspace.livemode,
        "payload": parameters["payload"],
        "timestamp": timestamp,
    }


def create_v2(workspace: Workspace, parameters: Json) -> Json:
    text = parameters.get("timestamp")
    try:
        requested = None if text is None else from_rfc3339(text)
    except ValueError:
        raise invalid(f"Invalid timestamp: {text}; give an RFC 3339 date and time.", "timestamp") from None
    timestamp = _accept(workspace, parameters, requested)
    return {
        "object": "v2.billing.meter_event",
        "created": rfc3339(workspace.clock.now()),
        "event_name": parameters["event_name"],
        "identifier": parameters["identifier"],
        "livemode": workspace.livemode,
        "payload": parameters["payload"],
        "timestamp": rfc3339(timestamp),
    }


def _accept(workspace: Workspace, parameters: Json, requested_timestamp: int | None) -> int:
    """Checks, then one row in the log of arrivals; answers the timestamp the event will count at."""
    identifier = parameters.setdefault("identifier", new_id("mtrev", 32))
    meter = meters.counting(workspace, parameters["event_name"])
    now = _reference_now(workspace, meter, parameters["payload"])
    timestamp = now if requested_timestamp is None else requested_timestamp
    _check_timestamp(workspace, timestamp, now)
    if workspace.settings.refuse_bad_values_at_once:
        check_value(workspace, meter, parameters["payload"])
    if workspace.settings.refuse_unknown_references_at_once:
        _check_references(workspace, meter, parameters)
    received_at = workspace.clock.now()
    duplicate = _seen_within_window(workspace, identifier, parameters["event_name"], received_at)
    workspace.state.execute(
        "insert into meter_events (namespace, identifier, event_name, payload, timestamp, idempotency_key,"
        " received_at, apply_at, outcome) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            workspace.namespace,
            identifier,
            parameters["event_name"],
            json.dumps(parameters["payload"]),
            timestamp,
            workspace.idempotency_key,
            received_at,
            received_at + _lag(workspace),
            "duplicate" if duplicate else "pending",
        ),
    )
    if duplicate:
        raise DuplicateIdentifier(identifier)
    return timestamp


def _lag(workspace: Workspace) -> float:
    settings = workspace.settings
    if not settings.apply_out_of_order:
        return settings.apply_lag_seconds + random.uniform(0, settings.apply_lag_spread_seconds)
    row = workspace.state.row("select count(*) % 2 = 0 as is_first_of_pair from meter_events")
    return settings.apply_lag_seconds + (settings.apply_lag_spread_seconds if row and row["is_first_of_pair"] else 0)


def _seen_within_window(workspace: Workspace, identifier: str, event_name: str, now: float) -> bool:
    settings = workspace.settings
    row = workspace.state.row(
        "select 1 from meter_events where namespace = ? and identifier = ? and received_at > ?"
        " and outcome <> 'duplicate' and (not ? or event_name = ?) and (not ? or outcome <> 'cancelled')"
        " and (? or not by_stream) limit 1",
        (
            workspace.namespace,
            identifier,
            now - settings.identifier_window_seconds,
            settings.identifier_per_event_name,
            event_name,
            settings.cancelled_identifier_is_free,
            settings.single_events_know_the_stream,
        ),
    )
    return row is not None


def _reference_now(workspace: Workspace, meter: Json | None, payload: dict[str, Any]) -> int:
    """The frozen time of the customer's test clock, where there is one and it is what counts."""
    if not workspace.settings.test_clock_is_reference_now:
        return workspace.now()
    row = workspace.state.row(
        "select test_clock from objects where namespace = ? and id = ? and kind = 'customer'",
        (workspace.namespace, customer_of(meter, payload)),
    )
    return workspace.now(row["test_clock"] if row else None)


def _check_timestamp(workspace: Workspace, timestamp: int, now: int) -> None:
    settings = workspace.settings
    if timestamp < now - settings.timestamp_past_seconds:
        days, oldest = settings.timestamp_past_seconds / 86400, int(now - settings.timestamp_past_seconds)
        raise invalid(
            f"The event timestamp cannot be more than {days:g} days in past. Expected a timestamp greater than or equal"
            f" to {oldest}.",
            "timestamp",
        )
    if timestamp > now + settings.timestamp_future_seconds:
        minutes = settings.timestamp_future_seconds / 60
        raise invalid(f"The event timestamp cannot be more than {minutes:g} minutes in the future.", "timestamp")


def _check_references(workspace: Workspace, meter: Json | None, parameters: Json) -> None:
    if meter is None or meter["status"] != "active":
        raise StripeError(f"No active meter found for event name {parameters['event_name']}.", param="event_name")
    customer = customer_of(meter, parameters["payload"]) or ""
    found = workspace.state.find(workspace.namespace, "customer", customer)
    if found is None or found.get("deleted"):
        raise missing_resource("customer", customer, "payload")


TAKES = "event_name identifier payload timestamp"
OPERATIONS = {
    "v1.billing.meter_events.create": Operation(create, TAKES),
    "v2.billing.meter_events.create": Operation(create_v2, TAKES),
}
