"""What Stripe bills for a counter: the invoice line, or its preview, as it was last read."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, LiteralString

import psycopg
from psycopg.rows import class_row

from tally.explain import Subject
from tally.periods import Period
from tally.proof.errors import NothingToProve
from tally.stripe.invoices import FINAL

# A shadow account bills nobody. What the items say of prices counts only while no line says it.
_LINES = """
select
    total.tenant_id, total.account, total.livemode, total.customer_ref, total.metric, total.period_start,
    total.period_end, total.summary_quantity, total.summary_read_at, total.invoice_id, total.invoice_line_id,
    total.invoice_status, total.invoice_quantity, total.invoice_amount, total.invoice_currency, total.invoice_read_at,
    total.invoice_starts_at, total.invoice_ends_at,
    coalesce(nullif(total.invoice_price_ids, '{}'), item.price_ids, '{}') as price_ids,
    coalesce(item.is_trial, false) as is_trial
from tally.stripe_totals as total
left join lateral (
    select
        array_agg(distinct price_id order by price_id) as price_ids,
        bool_and(
            item.trial_ends_at >= total.period_end
            and coalesce(item.trial_starts_at, '-infinity') <= total.period_start
        ) as is_trial
    from tally.stripe_subscription_items as item
    where item.tenant_id = total.tenant_id and item.customer_ref = total.customer_ref and item.metric = total.metric
        and item.account = total.account and item.livemode = total.livemode
        and item.started_at < total.period_end and (item.ended_at is null or item.ended_at > total.period_start)
        and (total.invoice_item_ids is null or item.item_id = any(total.invoice_item_ids))
) as item on true
where total.tenant_id = %(tenant_id)s and not tally.is_shadow(total.account)
"""
_ORDER = " order by total.customer_ref, total.metric, total.period_start, total.account, total.livemode"
_NAMED = " and string_to_array(total.invoice_line_id, ',') @> array[%(name)s::text]"
_OF_INVOICE = " and total.invoice_id = %(name)s"
_OF_COUNTER = (
    " and total.customer_ref = %(customer_ref)s and total.metric = %(metric)s and total.period_start = %(period_start)s"
)
_FINAL_UNPROVEN = """
and total.invoice_status = any(%(final)s)
and total.period_start >= %(starting_from)s and total.period_start < %(starting_before)s
and not exists (
    select from tally.invoice_line_proofs as proof
    where proof.tenant_id = total.tenant_id and proof.account = total.account and proof.livemode = total.livemode
        and proof.customer_ref = total.customer_ref and proof.metric = total.metric
        and proof.period_start = total.period_start and proof.invoice_id = total.invoice_id
        and proof.invoice_status = any(%(final)s) and proof.differences = '{}'
)
"""


@dataclass(frozen=True)
class BilledLine:
    """A counter in one Stripe account and mode. A number that was not read is None, which is never zero.

    `invoice_line_id` lists several where Stripe made several lines (one a tier). What they bill begins at
    `invoice_starts_at`: several segments of a period are one line where the price stayed. `invoice_amount` is in the
    currency's minor unit. `price_ids`: the prices that bill it; `is_trial`: at 0, because the period lies in a trial.
    """

    tenant_id: str
    account: str
    livemode: bool
    customer_ref: str
    metric: str
    period_start: datetime
    period_end: datetime
    summary_quantity: Decimal | None
    summary_read_at: datetime | None
    invoice_id: str | None
    invoice_line_id: str | None
    invoice_status: str | None
    invoice_quantity: Decimal | None
    invoice_amount: Decimal | None
    invoice_currency: str | None
    invoice_read_at: datetime | None
    invoice_starts_at: datetime | None
    invoice_ends_at: datetime | None
    price_ids: list[str]
    is_trial: bool

    @property
    def period(self) -> Period:
        return Period(self.period_start, self.period_end)

    @property
    def billed_span(self) -> Period:
        """From when to when its invoice line bills; its own period while there is none."""
        return Period(
            min(self.period_start, self.invoice_starts_at or self.period_start),
            max(self.period_end, self.invoice_ends_at or self.period_end),
        )

    @property
    def subject(self) -> Subject:
        """The counter that it bills."""
        return Subject(self.tenant_id, self.customer_ref, self.metric, self.period)

    @property
    def line_ids(self) -> list[str]:
        """Stripe's ids of its lines."""
        return self.invoice_line_id.split(",") if self.invoice_line_id else []

    @property
    def is_final(self) -> bool:
        """Whether Stripe changes it no more."""
        return self.invoice_status in FINAL


def lines_named(connection: psycopg.Connection[Any], tenant_id: str, name: str) -> list[BilledLine]:
    """The line with this id, or every line of the invoice with this id.

    Raises:
        NothingToProve: neither was read.
    """
    asked = {"tenant_id": tenant_id, "name": name}
    found = _read(connection, _NAMED, asked) or _read(connection, _OF_INVOICE, asked)
    if not found:
        raise NothingToProve(
            f"{name}: no invoice line or invoice of that id was read: `tally reconcile` reads them; a counter is named"
            " like CUSTOMER/METRIC/2013-01"
        )
    return found


def lines_of_counter(connection: psycopg.Connection[Any], subject: Subject) -> list[BilledLine]:
    """The counter's line in every account and mode.

    Raises:
        NothingToProve: nothing of it was read from Stripe.
    """
    found = _read(connection, _OF_COUNTER, subject.parameters)
    if not found:
        raise NothingToProve(
            f"{subject.customer_ref} {subject.metric} from {subject.period.start:%Y-%m-%d}: no summary and no invoice"
            f" line was read: `tally reconcile` reads them; `tally explain {subject.customer_ref} {subject.metric}`"
            " shows the counter alone"
        )
    return found


def final_lines_unproven(
    connection: psycopg.Connection[Any], tenant_id: str, starting_in: tuple[datetime, datetime]
) -> list[BilledLine]:
    """Lines of periods that start in `[first, second)` whose invoice is final, without a proof of it that holds."""
    first, second = starting_in
    asked = {"tenant_id": tenant_id, "final": sorted(FINAL), "starting_from": first, "starting_before": second}
    return _read(connection, _FINAL_UNPROVEN, asked)


def _read(connection: psycopg.Connection[Any], condition: LiteralString, asked: dict[str, Any]) -> list[BilledLine]:
    with connection.cursor(row_factory=class_row(BilledLine)) as cursor:
        return cursor.execute(_LINES + condition + _ORDER, asked).fetchall()
