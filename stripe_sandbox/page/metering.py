"""Meters, their events, and what they add up to per customer: in exact decimals, unlike a summary."""

import json
from collections import Counter
from decimal import Decimal

from stripe_sandbox import meters as stripe_meters
from stripe_sandbox import subscription_store
from stripe_sandbox import usage as applied_usage
from stripe_sandbox.meter_event_payloads import customer_of
from stripe_sandbox.pricing import EXACT, ZERO
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace


def meters(workspace: Workspace) -> list[Json]:
    """Each meter with its events by outcome, and the sum of the values it counted."""
    outcomes: Counter[tuple[str, str]] = Counter()
    sums: dict[str, Decimal] = {}
    for row in workspace.state.rows(
        "select event_name, outcome, count(*) as number from meter_events where namespace = ? group by 1, 2",
        (workspace.namespace,),
    ):
        outcomes[row["event_name"], row["outcome"]] = row["number"]
    for row in workspace.state.rows(
        "select meter, value from meter_events where namespace = ? and outcome = 'applied'", (workspace.namespace,)
    ):
        sums[row["meter"]] = EXACT.add(sums.get(row["meter"], ZERO), Decimal(row["value"]))
    found = workspace.state.select(workspace.namespace, stripe_meters.KIND)
    known = {meter["event_name"] for meter in found}
    nameless = [{"event_name": name, "id": None} for name in sorted({name for name, _ in outcomes} - known)]
    return [
        {
            **meter,
            "total": sums.get(meter["id"] or ""),
            **{outcome: outcomes[meter["event_name"], outcome] for outcome in ("applied", "pending", "dropped")},
            "refused": outcomes[meter["event_name"], "duplicate"],
            "cancelled": outcomes[meter["event_name"], "cancelled"],
        }
        for meter in [*found, *nameless]
    ]


def usage(workspace: Workspace) -> list[Json]:
    """Per customer and meter: the running period's total, as a summary over it says, and what is still pending."""
    pending: Counter[tuple[str | None, str]] = Counter()
    for row in workspace.state.rows(
        "select event_name, payload from meter_events where namespace = ? and outcome = 'pending'",
        (workspace.namespace,),
    ):
        meter = stripe_meters.counting(workspace, row["event_name"])
        pending[customer_of(meter, json.loads(row["payload"])), row["event_name"]] += 1
    counted = {
        (row["customer"], row["meter"]): row["number"]
        for row in workspace.state.rows(
            "select customer, meter, count(*) as number from meter_events where namespace = ? and outcome = 'applied'"
            " group by 1, 2",
            (workspace.namespace,),
        )
    }
    periods = _periods(workspace)
    rows = [
        _usage_row(workspace, customer, meter_id, counted.get((customer, meter_id), 0), periods, pending)
        for customer, meter_id in counted.keys() | periods.keys()
    ]
    return sorted(rows, key=lambda row: str(row["event_name"]))


def _usage_row(
    workspace: Workspace,
    customer: str,
    meter_id: str,
    counted: int,
    periods: dict[tuple[str, str], tuple[int, int]],
    pending: Counter[tuple[str | None, str]],
) -> Json:
    meter = workspace.get(stripe_meters.KIND, meter_id)
    start, end = periods.get((customer, meter_id), (None, None))
    total = None
    if start is not None and end is not None:
        total = applied_usage.total(workspace, meter, customer, start, end)
    return {
        "customer": customer,
        "event_name": meter["event_name"],
        "formula": meter["default_aggregation"]["formula"],
        "start": start,
        "end": end,
        "total": total,
        "ever": applied_usage.total(workspace, meter, customer, 0, 1 << 60),
        "counted": counted,
        "pending": pending[customer, meter["event_name"]],
    }


def _periods(workspace: Workspace) -> dict[tuple[str, str], tuple[int, int]]:
    """The running period of every metered item of a running subscription, by customer and meter."""
    found = {}
    for subscription in workspace.state.select(workspace.namespace, subscription_store.KIND):
        if subscription["status"] == subscription_store.ENDED:
            continue
        for item in subscription_store.items_of(workspace, subscription["id"]):
            meter = subscription_store.price_of(workspace, item)["recurring"]["meter"]
            if meter:
                found[subscription["customer"], meter] = (item["current_period_start"], item["current_period_end"])
    return found


def events(workspace: Workspace, newest: int) -> list[Json]:
    """The newest arrivals, refused repetitions too, latest first."""
    rows = workspace.state.rows(
        "select * from meter_events where namespace = ? order by seq desc limit ?", (workspace.namespace, newest)
    )
    return [_event(workspace, dict(row)) for row in rows]


def _event(workspace: Workspace, row: Json) -> Json:
    payload = json.loads(row["payload"])
    meter = stripe_meters.counting(workspace, row["event_name"])
    key = meter["value_settings"]["event_payload_key"] if meter else "value"
    return {
        **row,
        "customer": row["customer"] or customer_of(meter, payload),
        "value": row["value"] or payload.get(key),
        "waits": max(0.0, row["apply_at"] - workspace.clock.now()) if row["outcome"] == "pending" else None,
    }
