"""A rest as it is stored: what a final invoice does not bill as counted, from one quantity to the next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from tally.closing.errors import NoSuchRest

Kind = Literal["invoice_item", "write_off", "credit_note", "credit_grant", "nothing"]
# How the invoice stands: `void` ones bill nothing, `uncollectible` ones were paid by nobody.
Basis = Literal["billed", "uncollectible", "void"]
State = Literal["proposed", "approved", "sending", "done", "refused", "rejected", "withdrawn"]
OPEN: tuple[State, ...] = ("proposed", "approved", "sending", "refused")
# What waits for a person.
WAITING: tuple[State, ...] = ("proposed", "refused")

COLUMNS: LiteralString = (
    "rest_id::text, account, livemode, customer_ref, metric, period_start, period_end, seq, from_quantity, to_quantity,"
    " kind, amount_minor, currency, price_id, invoice_id, invoice_line_ids, stripe_customer_id, subscription_id,"
    " credited_lines, note, basis, amount_by, state, proposed_at, decided_at, decided_by, decision_note, attempts,"
    " done_at, done_by, stripe_id, billed_on, last_error"
)


@dataclass(frozen=True)
class Rest:
    """`amount_minor` is what it adds to what the customer pays, in minor units of `currency`; negative: given back."""

    rest_id: str
    account: str
    livemode: bool
    customer_ref: str
    metric: str
    period_start: datetime
    period_end: datetime
    seq: int
    from_quantity: Decimal
    to_quantity: Decimal
    kind: Kind
    amount_minor: int
    currency: str
    price_id: str
    invoice_id: str
    invoice_line_ids: Sequence[str]
    stripe_customer_id: str
    subscription_id: str
    credited_lines: Sequence[dict[str, Any]]
    note: str
    basis: Basis
    amount_by: Literal["price", "person"]
    state: State
    proposed_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    decision_note: str
    attempts: int
    done_at: datetime | None
    done_by: str | None
    stripe_id: str | None
    billed_on: str | None
    last_error: str | None

    @property
    def quantity(self) -> Decimal:
        """What the counter has beyond what was settled before, in the meter's unit; negative: less."""
        return self.to_quantity - self.from_quantity


def lock_rests(connection: psycopg.Connection[Any], tenant_id: str) -> None:
    """One hand at a time on a tenant's rests, until the transaction ends."""
    connection.execute("select pg_advisory_xact_lock(hashtextextended('tally.closing ' || %s, 0))", (tenant_id,))


def read(connection: psycopg.Connection[Any], tenant_id: str, rest_id: UUID | str, *, lock: bool = False) -> Rest:
    """The rest; with `lock` nobody else decides about it until the transaction ends.

    Raises:
        NoSuchRest: the tenant has none of this id.
    """
    query: LiteralString = f"select {COLUMNS} from tally.closing_rests where tenant_id = %s and rest_id = %s"
    if lock:
        query += " for update"
    with connection.cursor(row_factory=class_row(Rest)) as cursor:
        found = cursor.execute(query, (tenant_id, rest_id)).fetchone()
    if found is None:
        raise NoSuchRest(f"tenant {tenant_id} has no rest {rest_id}: `tally close list --all`")
    return found


def list_rests(connection: psycopg.Connection[Any], tenant_id: str, states: Sequence[str] | None = None) -> list[Rest]:
    """The tenant's rests, oldest first; of these states, where given."""
    query: LiteralString = (
        f"select {COLUMNS} from tally.closing_rests where tenant_id = %(tenant_id)s"
        " and (%(states)s::text[] is null or state = any(%(states)s)) order by proposed_at, customer_ref, metric, seq"
    )
    parameters = {"tenant_id": tenant_id, "states": None if states is None else list(states)}
    with connection.cursor(row_factory=class_row(Rest)) as cursor:
        return cursor.execute(query, parameters).fetchall()


def events_of(connection: psycopg.Connection[Any], tenant_id: str, rest_id: UUID | str) -> list[str]:
    """The idempotency keys of the counted events that the rest comes from."""
    rows = connection.execute(
        "select idempotency_key from tally.closing_rest_events where tenant_id = %s and rest_id = %s order by 1",
        (tenant_id, rest_id),
    ).fetchall()
    return [row[0] for row in rows]
