"""Counting what was accepted, some time later: an event is applied, or dropped with a code that only a report shows."""

import json
import sqlite3
from dataclasses import replace

from stripe_sandbox import meters
from stripe_sandbox.meter_event_payloads import customer_of, value_of
from stripe_sandbox.pricing import plain
from stripe_sandbox.workspace import Workspace

BATCH = 500


def apply_due(workspace: Workspace) -> int:
    """Applies, in every namespace, the accepted events whose lag has passed; answers how many were looked at."""
    due = workspace.state.rows(
        "select * from meter_events where outcome = 'pending' and apply_at <= ? order by apply_at, seq limit ?",
        (workspace.clock.now(), BATCH),
    )
    if not due:
        return 0
    with workspace.state.transaction():
        for row in due:
            _apply(replace(workspace, namespace=row["namespace"]), row)
    return len(due)


def apply_all_due(workspace: Workspace) -> None:
    while apply_due(workspace) == BATCH:
        pass


def _apply(workspace: Workspace, row: sqlite3.Row) -> None:
    payload = json.loads(row["payload"])
    meter = meters.counting(workspace, row["event_name"])
    customer_id = customer_of(meter, payload)
    value, code = value_of(workspace, meter, payload)
    if meter is None:
        code = "no_meter"
    elif meter["status"] != "active":
        code = "archived_meter"
    elif customer_id is None:
        code = "meter_event_no_customer_defined"
    elif not _is_living(workspace, customer_id):
        code = "meter_event_customer_not_found"
    workspace.state.execute(
        "update meter_events set outcome = ?, drop_code = ?, meter = ?, customer = ?, value = ? where seq = ?",
        (
            "dropped" if code else "applied",
            code or None,
            meter["id"] if meter else None,
            customer_id,
            plain(value) if value is not None else None,
            row["seq"],
        ),
    )


def _is_living(workspace: Workspace, customer_id: str) -> bool:
    customer = workspace.state.find(workspace.namespace, "customer", customer_id)
    return customer is not None and not customer.get("deleted")
