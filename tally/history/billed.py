"""What a counter was billed by at a moment: a final invoice's quantity, else what Stripe had confirmed."""

from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row

from tally.history.counters import CounterKey, Selection

_BILLED = """
with told as (
    select
        account, livemode, customer_ref, metric, period_start, max(period_end) as period_end,
        coalesce(sum(value) filter (where state = 'confirmed' and confirmed_at < %(at)s), 0) as quantity
    from tally.push_intents
    where tenant_id = %(tenant_id)s and not tally.is_shadow(account)
    group by 1, 2, 3, 4, 5
),

-- When an invoice became final is not known, only that it was when it was read.
invoiced as (
    select
        account, livemode, customer_ref, metric, period_start, period_end, invoice_id,
        case when invoice_status = 'void' then 0 else invoice_quantity end as quantity
    from tally.stripe_totals
    where tenant_id = %(tenant_id)s
        and not tally.is_shadow(account)
        and invoice_status in ('open', 'paid', 'uncollectible', 'void')
        and invoice_read_at < %(at)s
        and invoice_quantity is not null
        -- A line that bills several segments of a period says nothing of one of them: what it was told does.
        and not coalesce(
            invoice_starts_at < period_start - interval '1 minute'
                or invoice_ends_at > period_end + interval '1 minute',
            false
        )
)

select
    account,
    livemode,
    customer_ref,
    metric,
    period_start,
    coalesce(invoiced.period_end, told.period_end) as period_end,
    coalesce(invoiced.quantity, told.quantity) as quantity,
    case when invoiced.quantity is null then 'told' else 'invoice' end as source,
    invoiced.invoice_id
from told
full join invoiced using (account, livemode, customer_ref, metric, period_start)
where (%(customer_ref)s::text is null or customer_ref = %(customer_ref)s)
    and (%(metric)s::text is null or metric = %(metric)s)
    and (%(starting_from)s::timestamptz is null or period_start >= %(starting_from)s)
    and (%(starting_before)s::timestamptz is null or period_start < %(starting_before)s)
order by customer_ref, metric, period_start, account, livemode
"""


@dataclass(frozen=True)
class Billed:
    """As one account and mode of Stripe billed a counter. `source`: a final invoice, or what Stripe was told."""

    account: str
    livemode: bool
    customer_ref: str
    metric: str
    period_start: datetime
    period_end: datetime
    quantity: Decimal
    source: Literal["invoice", "told"]
    invoice_id: str | None

    @property
    def key(self) -> CounterKey:
        return self.customer_ref, self.metric, self.period_start


def billed_at(
    connection: psycopg.Connection[Any], tenant_id: str, at: datetime, selection: Selection = Selection()
) -> list[Billed]:
    """What was billed, or told to Stripe, before `at`."""
    with connection.cursor(row_factory=class_row(Billed)) as cursor:
        return cursor.execute(_BILLED, {"tenant_id": tenant_id, "at": at, **asdict(selection)}).fetchall()


def mapped_metrics(connection: psycopg.Connection[Any], tenant_id: str) -> dict[str, str]:
    """The account that each metric is billed in."""
    rows = connection.execute(
        "select metric, account from tally.price_mappings where tenant_id = %s and active", (tenant_id,)
    )
    return dict(rows.fetchall())
