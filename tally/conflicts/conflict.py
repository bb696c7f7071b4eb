"""Conflicts as they are read: deliveries under one key whose payloads differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row

from tally.adjustments.ledger_rules import statement
from tally.conflicts.errors import NoConflict

PAYLOAD = ("customer_ref", "metric", "quantity", "event_time")


@dataclass(frozen=True)
class Conflict:
    """An event with `conflicting` deliveries that differ from its first one, of which `undecided` wait for a person."""

    idempotency_key: str
    customer_ref: str
    metric: str
    event_time: datetime
    conflicting: int
    undecided: int
    last_landed_at: datetime
    replacement_key: str | None
    decided_by: str | None
    decided_at: datetime | None


@dataclass(frozen=True)
class Delivery:
    """One arrival; number 1 is the event's first, which counts. `properties` is JSON text, or None."""

    number: int
    xid: str
    seq: int
    landed_at: datetime
    customer_ref: str
    metric: str
    quantity: Decimal
    event_time: datetime
    properties: str | None
    canonical_properties: str
    payload_hash: str
    decision: Literal["keep_first", "replace"] | None
    replacement_key: str | None
    note: str | None
    decided_at: datetime | None
    decided_by: str | None

    def differs_in(self, first: "Delivery") -> list[str]:
        """The payload fields in which it differs from `first`; properties that are only spelled otherwise do not."""
        fields = [field for field in PAYLOAD if getattr(self, field) != getattr(first, field)]
        return [*fields, "properties"] if self.canonical_properties != first.canonical_properties else fields


def list_conflicts(
    connection: psycopg.Connection[Any], tenant_id: str, *, only_open: bool = False
) -> Sequence[Conflict]:
    """The tenant's events with conflicting deliveries, oldest first."""
    with connection.cursor(row_factory=class_row(Conflict)) as cursor:
        return cursor.execute(
            statement(__package__, "list.sql"), {"tenant_id": tenant_id, "open": only_open}
        ).fetchall()


def deliveries_of(connection: psycopg.Connection[Any], tenant_id: str, key: str) -> list[Delivery]:
    """The first delivery of the event and all that differ from it. Plain repeats are not among them.

    Raises:
        NoConflict: no delivery differs from the first one.
    """
    with connection.cursor(row_factory=class_row(Delivery)) as cursor:
        found = cursor.execute(
            statement(__package__, "deliveries.sql"), {"tenant_id": tenant_id, "idempotency_key": key}
        ).fetchall()
    if not found:
        raise NoConflict(
            f"tenant {tenant_id} has no conflict under the key {key!r}; if it landed just now, `tally tick` first"
        )
    return found
