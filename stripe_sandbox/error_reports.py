"""Telling about dropped meter events: one thin event per meter and window, with counts and a few samples."""

import sqlite3
from dataclasses import replace
from itertools import groupby

from stripe_sandbox import thin_events
from stripe_sandbox.clock import rfc3339
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace

MESSAGES = {
    "archived_meter": "The meter is archived.",
    "meter_event_customer_not_found": "The customer in the event payload does not exist.",
    "meter_event_invalid_value": "The value in the event payload is not a valid number.",
    "meter_event_no_customer_defined": "The event payload names no customer.",
    "meter_event_value_too_many_digits": "The value in the event payload has too many digits.",
    "no_meter": "No meter was found for the event name.",
    "timestamp_in_future": "The timestamp in the event is too far in the future.",
    "timestamp_too_far_in_past": "The timestamp in the event is too far in the past.",
}


def report_due(workspace: Workspace) -> None:
    """A window opens with the first unreported drop and is reported when its length has passed."""
    now = workspace.clock.now()
    oldest = workspace.state.row(
        "select min(apply_at) as first from meter_events where outcome = 'dropped' and reported = 0"
    )
    if (
        oldest is None
        or oldest["first"] is None
        or oldest["first"] > now - workspace.settings.error_report_window_seconds
    ):
        return
    rows = workspace.state.rows(
        "select * from meter_events where outcome = 'dropped' and reported = 0"
        " order by namespace, meter, drop_code, seq"
    )
    with workspace.state.transaction():
        for (namespace, meter), group in groupby(rows, key=lambda row: (row["namespace"], row["meter"])):
            _report(replace(workspace, namespace=namespace), meter, list(group), (oldest["first"], now))
        workspace.state.execute("update meter_events set reported = 1 where outcome = 'dropped' and reported = 0")


def _report(workspace: Workspace, meter: str | None, rows: list[sqlite3.Row], window: tuple[float, float]) -> None:
    by_code = [(code, list(group)) for code, group in groupby(rows, key=lambda row: row["drop_code"])]
    data: Json = {
        "developer_message_summary": f"There is {len(rows)} invalid event"
        if len(rows) == 1
        else f"There are {len(rows)} invalid events",
        "reason": {
            "error_count": len(rows),
            "error_types": [
                {
                    "code": code,
                    "error_count": len(group),
                    "sample_errors": [
                        _sample(code, row, workspace.settings.error_report_names_idempotency_key)
                        for row in group[: workspace.settings.error_report_samples]
                    ],
                }
                for code, group in by_code
            ],
        },
        "validation_start": rfc3339(window[0]),
        "validation_end": rfc3339(window[1]),
    }
    if meter is None:
        thin_events.emit(workspace, "v1.billing.meter.no_meter_found", data, None)
        return
    related = {"id": meter, "type": "billing.meter", "url": f"/v1/billing/meters/{meter}"}
    thin_events.emit(workspace, "v1.billing.meter.error_report_triggered", data, related)


def _sample(code: str, row: sqlite3.Row, by_key: bool) -> Json:
    # The SDK calls this field "the request idempotency key"; a sender that makes both equal need not care.
    return {
        "error_message": MESSAGES[code],
        "request": {"identifier": (by_key and row["idempotency_key"]) or row["identifier"]},
    }
