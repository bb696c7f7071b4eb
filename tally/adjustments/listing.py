"""Adjustments for people to read, with the events behind them, in both directions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from tally.adjustments.adjustment import COLUMNS, Adjustment

_LIST: LiteralString = f"""
select {COLUMNS}
from tally.adjustments
where
    tenant_id = %(tenant_id)s
    and (%(state)s::text is null or state = %(state)s)
    and (%(customer_ref)s::text is null or customer_ref = %(customer_ref)s)
    and (%(metric)s::text is null or metric = %(metric)s)
    and (%(event)s::text is null or adjustment_id in (
        select adjustment_id from tally.adjustment_events
        where tenant_id = %(tenant_id)s and idempotency_key = %(event)s
    ))
order by created_at, customer_ref, metric, period_start, reverts nulls first
"""

_EVENTS: LiteralString = """
select
    link.idempotency_key, event.event_time, event.landed_at, event.quantity, event.member, event.outcome,
    coalesce((
        select array_agg(other.adjustment_id::text order by other.adjustment_id)
        from tally.adjustment_events as other
        where other.tenant_id = link.tenant_id
            and other.idempotency_key = link.idempotency_key
            and other.adjustment_id <> link.adjustment_id
    ), '{}') as also_in
from tally.adjustment_events as link
left join ledger.int_usage_events_deduplicated as event using (tenant_id, idempotency_key)
where link.tenant_id = %s and link.adjustment_id = %s
order by event.event_time, link.idempotency_key
"""


@dataclass(frozen=True)
class AdjustedEvent:
    """An event that an adjustment stands for, and its other adjustments. Null where the ledger has not read it."""

    idempotency_key: str
    event_time: datetime | None
    landed_at: datetime | None
    quantity: Decimal | None
    member: str | None
    outcome: str | None
    also_in: Sequence[str]


def list_adjustments(
    connection: psycopg.Connection[Any],
    tenant_id: str,
    *,
    state: str | None = None,
    customer_ref: str | None = None,
    metric: str | None = None,
    event: str | None = None,
) -> list[Adjustment]:
    """The tenant's adjustments, oldest first; `event` is an idempotency key that they must stand for."""
    parameters = {
        "tenant_id": tenant_id, "state": state, "customer_ref": customer_ref, "metric": metric, "event": event
    }  # fmt: skip
    with connection.cursor(row_factory=class_row(Adjustment)) as cursor:
        return cursor.execute(_LIST, parameters).fetchall()


def events_of(connection: psycopg.Connection[Any], tenant_id: str, adjustment_id: UUID | str) -> list[AdjustedEvent]:
    """The events that the adjustment stands for, by event time."""
    with connection.cursor(row_factory=class_row(AdjustedEvent)) as cursor:
        return cursor.execute(_EVENTS, (tenant_id, adjustment_id)).fetchall()
