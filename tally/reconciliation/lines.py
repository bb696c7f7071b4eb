"""The lines of marts.reconciliation_lines, typed: what was counted, told, summed up and billed, side by side."""

from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row


@dataclass(frozen=True)
class Line:
    """One counter, Stripe total or push ledger row, in one Stripe account and mode.

    A number that was not read is None, which is never zero. Amounts are in the currency's minor unit; `local_amount` is
    what the counted quantity costs under the price in force. `cause` begins with a stable code before its colon; it is
    None when the line is ok. `note` is what a person should know of a line although it is no break. `severity` is
    critical (a person, at once), error, or waiting (not known yet). Of an invoice line that bills several segments of a
    period (`billed_segments`), each segment's line shows the whole quantity and amount.
    """

    tenant_id: str
    account: str | None
    livemode: bool | None
    customer_ref: str
    metric: str
    period_start: datetime
    period_end: datetime
    aggregation: str | None
    unit: str | None
    deliveries: int
    duplicates: int
    conflicts: int
    late_events: int
    event_count: int
    local_quantity: Decimal | None
    sent_quantity: Decimal | None
    in_flight_quantity: Decimal | None
    stripe_quantity: Decimal | None
    invoice_id: str | None
    invoice_line_id: str | None
    invoice_status: str | None
    invoice_quantity: Decimal | None
    invoice_amount: Decimal | None
    invoice_currency: str | None
    drift: Decimal | None
    drift_ratio: Decimal | None
    epsilon: Decimal
    integrity_verdict: str
    delivery_verdict: str
    business_verdict: str
    verdict: str
    cause: str | None
    note: str | None
    money_verdict: str | None = None
    local_amount: Decimal | None = None
    amount_drift: Decimal | None = None
    price_id: str | None = None
    settled_quantity: Decimal | None = None
    billed_segments: int | None = None
    severity: str | None = None

    @property
    def billed_amount(self) -> Decimal | None:
        """What the customer owes for the line, in minor units. None: its invoice was not read, or is void."""
        return None if self.invoice_status == "void" else self.invoice_amount

    @property
    def cause_code(self) -> str | None:
        """The part of the cause that programs may rely on."""
        return self.cause.split(":", 1)[0] if self.cause is not None else None

    @property
    def notices(self) -> dict[str, str]:
        """The notes that a person should act on, by code: a line may be ok and have late events."""
        notes = [note for note in (self.note or "").split("; ") if note.split(":", 1)[0] in NOTICES]
        return {note.split(":", 1)[0]: note for note in notes}


# Codes of notes that are findings, although the line's totals agree.
NOTICES = ("late events", "conflict", "rounding")
COLUMNS = tuple(field.name for field in fields(Line))


def read_lines(
    connection: psycopg.Connection[Any],
    tenant_id: str,
    *,
    starting_in: tuple[datetime, datetime] | None = None,
    customer_ref: str | None = None,
) -> list[Line]:
    """The tenant's lines by customer and metric; `starting_in` keeps periods that start in `[first, second)`."""
    query = sql.SQL(
        "select {} from marts.reconciliation_lines where tenant_id = %(tenant_id)s"
        " and (%(first)s::timestamptz is null or (period_start >= %(first)s and period_start < %(second)s))"
        " and (%(customer_ref)s::text is null or customer_ref = %(customer_ref)s)"
        " order by customer_ref, metric, period_start, account, livemode"
    ).format(sql.SQL(", ").join(map(sql.Identifier, COLUMNS)))
    first, second = starting_in or (None, None)
    asked = {"tenant_id": tenant_id, "first": first, "second": second, "customer_ref": customer_ref}
    with connection.cursor(row_factory=class_row(Line)) as cursor:
        return cursor.execute(query, asked).fetchall()
