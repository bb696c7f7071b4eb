"""Stripe's own totals, read back beside every counter: the meter's summary, and the invoice line or its preview."""

from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import stripe
from psycopg.rows import class_row

from tally.clock import Clock
from tally.periods import Period
from tally.stripe_account import StripeAccount
from tally.stripe_invoices import BilledQuantity, UsageLine, billed, read_invoice_lines, read_preview_lines
from tally.stripe_summaries import SummaryUnreadable, summary_quantity

LOOK_BACK = timedelta(days=35)

_KEYS = """
select
    period.customer_ref, item.metric, period.period_start, period.period_end,
    array_agg(distinct item.item_id) as item_ids,
    array_agg(distinct item.subscription_id) as subscription_ids,
    array_agg(distinct item.stripe_customer_id) as stripe_customer_ids,
    min(item.stripe_meter_id) as meter_id
from tally.stripe_subscription_items as item
inner join tally.customer_periods as period
    on period.tenant_id = item.tenant_id and period.customer_ref = item.customer_ref
where item.tenant_id = %(tenant_id)s and item.account = %(account)s and item.livemode = %(livemode)s
  and item.started_at < period.period_end
  and (item.ended_at is null or item.ended_at > period.period_start)
  and period.period_start <= %(now)s
  and case
      when %(starting_from)s::timestamptz is null then period.period_end > %(now)s - %(look_back)s
      else period.period_start >= %(starting_from)s and period.period_start < %(starting_before)s
  end
  and (%(period_start)s::timestamptz is null or period.period_start = %(period_start)s)
group by period.customer_ref, item.metric, period.period_start, period.period_end
order by 1, 2, 3
"""
# What could not be read this time keeps its value and the time it was read at; what was never read stays null.
_UPSERT = """
insert into tally.stripe_totals as old (
    tenant_id, account, livemode, customer_ref, metric, period_start, period_end, summary_quantity, summary_read_at,
    invoice_id, invoice_line_id, invoice_status, invoice_quantity, invoice_amount, invoice_currency, invoice_read_at
) values (
    %(tenant_id)s, %(account)s, %(livemode)s, %(customer_ref)s, %(metric)s, %(period_start)s, %(period_end)s,
    %(summary_quantity)s, %(summary_read_at)s, %(invoice_id)s, %(invoice_line_id)s, %(invoice_status)s,
    %(invoice_quantity)s, %(invoice_amount)s, %(invoice_currency)s, %(invoice_read_at)s
)
on conflict (tenant_id, account, livemode, customer_ref, metric, period_start) do update set
    period_end = excluded.period_end,
    summary_quantity = coalesce(excluded.summary_quantity, old.summary_quantity),
    summary_read_at = coalesce(excluded.summary_read_at, old.summary_read_at),
    invoice_id = coalesce(excluded.invoice_id, old.invoice_id),
    invoice_line_id = coalesce(excluded.invoice_line_id, old.invoice_line_id),
    invoice_status = coalesce(excluded.invoice_status, old.invoice_status),
    invoice_quantity = coalesce(excluded.invoice_quantity, old.invoice_quantity),
    invoice_amount = coalesce(excluded.invoice_amount, old.invoice_amount),
    invoice_currency = coalesce(excluded.invoice_currency, old.invoice_currency),
    invoice_read_at = coalesce(excluded.invoice_read_at, old.invoice_read_at)
"""


@dataclass(frozen=True)
class TotalsKey:
    """One counter's place in Stripe: its customer, meter, items and period."""

    customer_ref: str
    metric: str
    period_start: datetime
    period_end: datetime
    item_ids: list[str]
    subscription_ids: list[str]
    stripe_customer_ids: list[str]
    meter_id: str

    @property
    def period(self) -> Period:
        return Period(self.period_start, self.period_end)


@dataclass(frozen=True)
class Unread:
    """A number that Stripe did not give; `what` is "summary" or "invoice"."""

    customer_ref: str
    metric: str
    period_start: datetime
    what: str
    reason: str


@dataclass(frozen=True)
class TotalsResult:
    """How many counters' totals were asked for, and which numbers are not known, with the reason."""

    keys: int
    unread: tuple[Unread, ...]


@dataclass(frozen=True)
class Reading:
    """What was read for one key; a text in place of a number says why it is not known."""

    key: TotalsKey
    summary: Decimal | str
    invoice: BilledQuantity | str

    def columns(self, now: datetime) -> dict[str, Any]:
        """The row to store. `now` is from before the reading began: whatever happened since may be missing from it."""
        summary = self.summary if isinstance(self.summary, Decimal) else None
        invoice = self.invoice if isinstance(self.invoice, BilledQuantity) else None
        return {
            "customer_ref": self.key.customer_ref,
            "metric": self.key.metric,
            "period_start": self.key.period_start,
            "period_end": self.key.period_end,
            "summary_quantity": summary,
            "summary_read_at": now if summary is not None else None,
            "invoice_id": invoice.invoice_id if invoice else None,
            "invoice_line_id": invoice.invoice_line_id if invoice else None,
            "invoice_status": invoice.invoice_status if invoice else None,
            "invoice_quantity": invoice.quantity if invoice else None,
            "invoice_amount": invoice.amount if invoice else None,
            "invoice_currency": invoice.currency if invoice else None,
            "invoice_read_at": now if invoice else None,
        }

    def unread(self) -> list[Unread]:
        """The numbers that are not known."""
        return [
            Unread(self.key.customer_ref, self.key.metric, self.key.period_start, what, reason)
            for what, reason in (("summary", self.summary), ("invoice", self.invoice))
            if isinstance(reason, str)
        ]


def read_totals(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    tenant_id: str,
    clock: Clock,
    *,
    period_start: datetime | None = None,
    starting_in: tuple[datetime, datetime] | None = None,
    look_back: timedelta = LOOK_BACK,
    workers: int = 8,
) -> TotalsResult:
    """Read Stripe's totals of every mapped customer, metric and period into tally.stripe_totals, and commit.

    `period_start` picks one period, `starting_in` those that start in `[from, before)`; else those that have begun and
    ended at most `look_back` ago. A call that fails leaves its numbers as they were and is listed in the result.
    """
    scope = {"tenant_id": tenant_id, "account": account.account, "livemode": account.livemode}
    now = clock.now()
    with connection.cursor(row_factory=class_row(TotalsKey)) as cursor:
        starting_from, starting_before = starting_in or (None, None)
        asked = {
            **scope,
            "now": now,
            "look_back": look_back,
            "period_start": period_start,
            "starting_from": starting_from,
            "starting_before": starting_before,
        }
        keys = cursor.execute(_KEYS, scope | asked).fetchall()
    by_subscription: dict[str, list[TotalsKey]] = defaultdict(list)
    for key in keys:
        for subscription_id in key.subscription_ids:
            by_subscription[subscription_id].append(key)
    with ThreadPoolExecutor(workers, thread_name_prefix="totals") as pool:
        summaries = list(pool.map(lambda key: _summary(account, key), keys))
        lines = list(pool.map(lambda each: _usage_lines(account, *each), by_subscription.items()))
    lines_of = dict(zip(by_subscription, lines, strict=True))
    readings = [Reading(key, summary, _invoice(key, lines_of)) for key, summary in zip(keys, summaries, strict=True)]
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(_UPSERT, [{**scope, **reading.columns(now)} for reading in readings])
    return TotalsResult(len(keys), tuple(unread for reading in readings for unread in reading.unread()))


def _summary(account: StripeAccount, key: TotalsKey) -> Decimal | str:
    if len(key.stripe_customer_ids) > 1:
        return f"customer_ref {key.customer_ref} names several Stripe customers: {', '.join(key.stripe_customer_ids)}"
    try:
        return summary_quantity(account, key.meter_id, key.stripe_customer_ids[0], key.period)
    except (stripe.StripeError, SummaryUnreadable) as error:
        return str(error)


def _usage_lines(account: StripeAccount, subscription_id: str, keys: list[TotalsKey]) -> list[UsageLine] | str:
    """The subscription's invoice lines, and the preview's where a period has none yet."""
    try:
        lines = read_invoice_lines(account, subscription_id, min(key.period_start for key in keys))
        if any(billed(lines, frozenset(key.item_ids), key.period) is None for key in keys):
            lines += read_preview_lines(account, subscription_id)
    except stripe.StripeError as error:
        return str(error)
    return lines


def _invoice(key: TotalsKey, lines_of: Mapping[str, list[UsageLine] | str]) -> BilledQuantity | str:
    lines: list[UsageLine] = []
    for subscription_id in key.subscription_ids:
        answer = lines_of[subscription_id]
        if isinstance(answer, str):
            return answer
        lines += answer
    found = billed(lines, frozenset(key.item_ids), key.period)
    return found or "no invoice and no preview has a line for this item and period"
