"""What stands around a counter's events: deliveries, conflicts, adjustments, a gauge's opening, what was sent."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg.rows import class_row

from tally.adjustments import Adjustment, events_of, list_adjustments
from tally.explain.counter import Subject

_DELIVERIES = """
select deliveries, events, duplicates, conflicts, late_events, counted_events, left_out_events
from marts.usage_deliveries
where tenant_id = %(tenant_id)s and customer_ref = %(customer_ref)s and metric = %(metric)s
    and period_start = %(period_start)s
"""
_CONFLICTS = """
select
    conflict.idempotency_key, conflict.landed_at, conflict.customer_ref, conflict.metric, conflict.quantity,
    conflict.event_time, conflict.properties, decided.decision
from ledger.int_usage_events_conflicts as conflict
left join tally.conflict_decisions as decided using (tenant_id, idempotency_key, xid, seq)
where conflict.tenant_id = %(tenant_id)s and conflict.first_customer_ref = %(customer_ref)s
    and conflict.first_metric = %(metric)s and conflict.first_period_start = %(period_start)s
order by conflict.landed_at, conflict.seq
"""
# From the events themselves: what the ledger keeps of gauges is among what is checked.
_OPENING = """
select quantity, event_time, idempotency_key
from ledger.int_usage_events_deduplicated
where tenant_id = %(tenant_id)s and customer_ref = %(customer_ref)s and metric = %(metric)s
    and period_start < %(period_start)s and outcome = 'counted'
    and xid < (select read_to from tally.model_bounds where model = 'ledger.int_usage_counters')
order by period_start desc, event_time desc, landed_at desc, seq desc
limit 1
"""
_INTENTS = """
select account, livemode, seq, value, counter_value, state, identifier, planned_at, confirmed_at
from tally.push_intents
where tenant_id = %(tenant_id)s and customer_ref = %(customer_ref)s and metric = %(metric)s
    and period_start = %(period_start)s
order by account, livemode, seq
"""
_Row = TypeVar("_Row")
# States of an intent that Stripe was not told of after all.
VOID = ("refused", "missing", "cancelled", "rejected", "superseded")


@dataclass(frozen=True)
class Deliveries:
    """What arrived, as the ledger counts it: deliveries = events + duplicates + conflicts."""

    deliveries: int = 0
    events: int = 0
    duplicates: int = 0
    conflicts: int = 0
    late_events: int = 0
    counted_events: int = 0
    left_out_events: int = 0


@dataclass(frozen=True)
class Conflict:
    """A delivery that says something else than the event's first one: kept, counts nothing. `decision` may be open."""

    idempotency_key: str
    landed_at: datetime
    customer_ref: str
    metric: str
    quantity: Decimal
    event_time: datetime
    properties: str | None
    decision: str | None


@dataclass(frozen=True)
class Opening:
    """The last counted reading of an earlier period: what the gauge held when this one began."""

    quantity: Decimal
    event_time: datetime
    idempotency_key: str


@dataclass(frozen=True)
class Booked:
    """An adjustment that is about this period or booked into it, and the keys of the events that it stands for."""

    adjustment: Adjustment
    counts_here: bool
    events: list[str]


@dataclass(frozen=True)
class Intent:
    """A delta that Stripe was, or may have been, told."""

    account: str
    livemode: bool
    seq: int
    value: Decimal
    counter_value: Decimal
    state: str
    identifier: str
    planned_at: datetime
    confirmed_at: datetime | None

    @property
    def told(self) -> Decimal:
        """What it adds to what Stripe has been told, or may have been."""
        return Decimal(0) if self.state in VOID else self.value


def deliveries_of(connection: psycopg.Connection[Any], subject: Subject) -> Deliveries:
    """The ledger's count of what arrived."""
    return next(iter(_rows(connection, Deliveries, _DELIVERIES, subject)), Deliveries())


def conflicts_of(connection: psycopg.Connection[Any], subject: Subject) -> list[Conflict]:
    """The deliveries that contradict one of the counter's events."""
    return _rows(connection, Conflict, _CONFLICTS, subject)


def opening_of(connection: psycopg.Connection[Any], subject: Subject) -> Opening | None:
    """What the gauge held when the period began; None: no earlier reading, it held 0."""
    return next(iter(_rows(connection, Opening, _OPENING, subject)), None)


def intents_of(connection: psycopg.Connection[Any], subject: Subject) -> list[Intent]:
    """What was sent or is on its way, oldest first by account."""
    return _rows(connection, Intent, _INTENTS, subject)


def adjustments_of(connection: psycopg.Connection[Any], subject: Subject) -> list[Booked]:
    """Adjustments that are booked into the counter, and those about it that are booked elsewhere or nowhere."""
    found = list_adjustments(connection, subject.tenant_id, customer_ref=subject.customer_ref, metric=subject.metric)
    start = subject.period.start
    return [
        Booked(
            each,
            each.booked_start == start,
            [event.idempotency_key for event in events_of(connection, subject.tenant_id, each.adjustment_id)],
        )
        for each in found
        if start in (each.period_start, each.booked_start)
    ]


def _rows(connection: psycopg.Connection[Any], row: type[_Row], query: LiteralString, subject: Subject) -> list[_Row]:
    with connection.cursor(row_factory=class_row(row)) as cursor:
        return cursor.execute(query, subject.parameters).fetchall()
