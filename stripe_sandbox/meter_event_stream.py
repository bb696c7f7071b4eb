"""The v2 meter-event stream: sessions whose token stands in for the key, and events that are checked later."""

import json
import sqlite3
from collections.abc import Mapping

from stripe_sandbox import meters
from stripe_sandbox.clock import from_rfc3339, rfc3339
from stripe_sandbox.errors import ParameterError, StripeError
from stripe_sandbox.ids import new_id
from stripe_sandbox.operations import Operation
from stripe_sandbox.state import Json, State
from stripe_sandbox.workspace import Workspace

KIND = "v2.billing.meter_event_session"
PATH = "/v2/billing/meter_event_stream"
SESSION_SECONDS = 15 * 60
MOST_EVENTS = 100
_TOKEN = "mes_token"


def open_session(workspace: Workspace, _parameters: Json) -> Json:
    if not workspace.livemode:
        raise StripeError("The meter event stream is only available in live mode.", code="livemode_only")
    now = workspace.clock.now()
    session: Json = {
        "id": new_id("bmes"),
        "object": KIND,
        "authentication_token": new_id(_TOKEN, 40),
        "created": rfc3339(now),
        "expires_at": rfc3339(now + SESSION_SECONDS),
        "livemode": True,
    }
    workspace.save(session, parent=session["authentication_token"])
    return session


def namespace_of_session(state: State, headers: Mapping[str, str], now: float) -> str:
    """Whose stream it is. A key of the account does not open it, and a token that has ended says so."""
    token = headers.get("authorization", "").partition(" ")[2].strip()
    row = state.row("select namespace, body from objects where kind = ? and parent = ?", (KIND, token))
    if row is None:
        raise StripeError("The meter event stream takes a session's authentication token.", status=401)
    if from_rfc3339(json.loads(row["body"])["expires_at"]) <= now:
        raise StripeError(
            "The session's authentication token has expired.",
            type_="temporary_session_expired",
            code="billing_meter_event_session_expired",
        )
    return str(row["namespace"])


def receive(workspace: Workspace, parameters: Json) -> Json:
    """All of them are taken; what is wrong with one shows later, in an error report."""
    events = parameters["events"]
    if not 0 < len(events) <= MOST_EVENTS:
        raise ParameterError(f"Send 1 to {MOST_EVENTS} events, not {len(events)}.", param="events")
    received_at = workspace.clock.now()
    for event in events:
        _receive(workspace, event, received_at)
    return {}


def _receive(workspace: Workspace, event: Json, received_at: float) -> None:
    identifier = event.get("identifier") or new_id("mtrev", 32)
    timestamp, drop_code = _timestamp(workspace, event, received_at)
    outcome = "dropped" if drop_code else "pending"
    if workspace.settings.stream_knows_identifiers and _is_repeat(workspace, identifier, received_at):
        outcome = "duplicate"
    lag = workspace.settings.apply_lag_seconds
    meter = meters.counting(workspace, event["event_name"])
    workspace.state.execute(
        "insert into meter_events (namespace, identifier, event_name, payload, timestamp, by_stream,"
        " received_at, apply_at, outcome, drop_code, meter) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            workspace.namespace, identifier, event["event_name"], json.dumps(event["payload"]), timestamp, True,
            received_at, received_at + lag, outcome, drop_code, meter["id"] if meter else None,
        ),
    )  # fmt: skip


def _timestamp(workspace: Workspace, event: Json, now: float) -> tuple[int, str | None]:
    try:
        timestamp = from_rfc3339(event["timestamp"]) if "timestamp" in event else int(now)
    except ValueError:
        raise ParameterError(f"Invalid timestamp: {event['timestamp']}.", param="events") from None
    if timestamp < now - workspace.settings.timestamp_past_seconds:
        return timestamp, "timestamp_too_far_in_past"
    if timestamp > now + workspace.settings.timestamp_future_seconds:
        return timestamp, "timestamp_in_future"
    return timestamp, None


def _is_repeat(workspace: Workspace, identifier: str, now: float) -> bool:
    row: sqlite3.Row | None = workspace.state.row(
        "select 1 from meter_events where namespace = ? and identifier = ? and received_at > ?"
        " and outcome <> 'duplicate' limit 1",
        (workspace.namespace, identifier, now - workspace.settings.identifier_window_seconds),
    )
    return row is not None


OPERATIONS = {
    "v2.billing.meter_event_session.create": Operation(open_session),
    "v2.billing.meter_event_stream.create": Operation(receive, "events"),
}
