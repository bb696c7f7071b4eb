"""Readings of Stripe's totals as rows of tally.stripe_totals. What was not read stays null, which is never zero."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg

from tally.stripe.account import StripeAccount
from tally.stripe.invoices import BilledQuantity
from tally.stripe.totals_keys import TotalsKey

# Stripe was asked, and bills nothing of the kind.
NO_LINE = "no invoice and no preview has a line for this item and period"

# What a newer reading of the invoice replaces, together.
_OF_INVOICE = (
    "invoice_id", "invoice_line_id", "invoice_status", "invoice_quantity", "invoice_amount", "invoice_currency",
    "invoice_read_at", "invoice_item_ids", "invoice_price_ids", "invoice_line_count", "invoice_starts_at",
    "invoice_ends_at", "invoice_finalizes_at",
)  # fmt: skip
_COLUMNS = (
    "tenant_id", "account", "livemode", "customer_ref", "metric", "period_start", "period_end", "summary_quantity",
    "summary_read_at", *_OF_INVOICE, "invoice_absent_at",
)  # fmt: skip
# What could not be read this time keeps its value and the time it was read at; what was never read stays null. Two may
# read side by side: an invoice as it was before another reading of it began does not undo that one.
_UPSERT = f"""
insert into tally.stripe_totals as old ({", ".join(_COLUMNS)})
values ({", ".join(f"%({column})s" for column in _COLUMNS)})
on conflict (tenant_id, account, livemode, customer_ref, metric, period_start) do update set
    period_end = excluded.period_end,
    summary_quantity = coalesce(excluded.summary_quantity, old.summary_quantity),
    summary_read_at = coalesce(excluded.summary_read_at, old.summary_read_at),
    ({", ".join(_OF_INVOICE)})
    = (select
        {", ".join(f"case when newer then excluded.{column} else old.{column} end" for column in _OF_INVOICE)}
    from (values (
        coalesce(excluded.invoice_read_at >= coalesce(old.invoice_read_at, '-infinity'), false)
    )) as reading (newer)),
    invoice_absent_at = case
        when excluded.invoice_read_at is null then coalesce(excluded.invoice_absent_at, old.invoice_absent_at)
    end
"""


@dataclass(frozen=True)
class Unread:
    """A number that Stripe did not give; `what` is "summary" or "invoice"."""

    customer_ref: str
    metric: str
    period_start: datetime
    what: str
    reason: str


@dataclass(frozen=True)
class Reading:
    """What was read for one key; a text in place of a number says why it is not known."""

    key: TotalsKey
    summary: Decimal | str
    invoice: BilledQuantity | str

    def columns(self, now: datetime) -> dict[str, Any]:
        """The row to store. `now` is from before the reading began: whatever happened since may be missing from it."""
        summary = self.summary if isinstance(self.summary, Decimal) else None
        return {
            "customer_ref": self.key.customer_ref,
            "metric": self.key.metric,
            "period_start": self.key.period_start,
            "period_end": self.key.period_end,
            "summary_quantity": summary,
            "summary_read_at": now if summary is not None else None,
            "invoice_absent_at": now if self.invoice == NO_LINE else None,
            **dict.fromkeys(_OF_INVOICE),
            **(_invoice_columns(self.invoice, now) if isinstance(self.invoice, BilledQuantity) else {}),
        }

    def unread(self) -> list[Unread]:
        """The numbers that are not known."""
        return [
            Unread(self.key.customer_ref, self.key.metric, self.key.period_start, what, reason)
            for what, reason in (("summary", self.summary), ("invoice", self.invoice))
            if isinstance(reason, str)
        ]


def store_readings(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    tenant_id: str,
    readings: Iterable[Reading],
    now: datetime,
) -> None:
    """Write what was read, from `now` on, in one transaction; a number that is not known leaves the stored one."""
    scope = {"tenant_id": tenant_id, "account": account.account, "livemode": account.livemode}
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(_UPSERT, [{**scope, **reading.columns(now)} for reading in readings])


def _invoice_columns(invoice: BilledQuantity, now: datetime) -> dict[str, Any]:
    return {
        "invoice_id": invoice.invoice_id,
        "invoice_line_id": invoice.invoice_line_id,
        "invoice_status": invoice.invoice_status,
        "invoice_quantity": invoice.quantity,
        "invoice_amount": invoice.amount,
        "invoice_currency": invoice.currency,
        "invoice_read_at": now,
        "invoice_item_ids": invoice.item_ids,
        "invoice_price_ids": invoice.price_ids,
        "invoice_line_count": invoice.lines,
        "invoice_starts_at": invoice.starts_at,
        "invoice_ends_at": invoice.ends_at,
        "invoice_finalizes_at": invoice.finalizes_at,
    }
