"""Which of Stripe's totals are read: a key per counter, and whether it is time to read it again.

Every read is one of an allowance. So an hourly check reads what may have changed, what ends soon, what did not agree,
and of the rest a sample, the oldest readings first: all of it once a day, or as often as half the allowance pays for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import class_row

from tally.periods import Period
from tally.stripe.account import StripeAccount
from tally.stripe.reads import SPAN, ReadBudget

LOOK_BACK = timedelta(days=35)
# From so long before a period's end on, until its invoice is final, it is read every time.
NEAR_END = timedelta(hours=6)
# Stripe's longest grace is 72 hours: what has no final invoice a day later gets none by itself.
NEVER_FINAL_AFTER = timedelta(hours=96)
# The longest that a total goes unread while its period may still move.
SAMPLE_AFTER = timedelta(hours=24)

URGENT, CHANGED, SAMPLE = range(3)
# Of the allowance: from there on the less urgent wait. What is urgent is read whatever it costs.
_SHARES = {SAMPLE: (8, 10), CHANGED: (95, 100)}
# A summary, and a part of the subscription's invoices.
_READS_PER_KEY = 2

_KEYS = """
with keys as (
    select
        period.customer_ref, item.metric, period.period_start, period.period_end,
        array_agg(distinct item.item_id) || coalesce(
            array_agg(distinct 'price:' || had.price_id) filter (where had.price_id is not null), '{}'
        ) as item_ids,
        array_agg(distinct item.subscription_id) as subscription_ids,
        array_agg(distinct item.stripe_customer_id) as stripe_customer_ids,
        min(item.stripe_meter_id) as meter_id
    from tally.stripe_subscription_items as item
    inner join tally.customer_periods as period
        on period.tenant_id = item.tenant_id and period.customer_ref = item.customer_ref
    left join tally.stripe_item_prices as had
        on had.tenant_id = item.tenant_id and had.account = item.account and had.livemode = item.livemode
        and had.item_id = item.item_id
    where item.tenant_id = %(tenant_id)s and item.account = %(account)s and item.livemode = %(livemode)s
      and item.started_at < period.period_end
      and (item.ended_at is null or item.ended_at > period.period_start)
      and period.period_start <= %(now)s
      and case
          when %(starting_from)s::timestamptz is null then period.period_end > %(now)s - %(look_back)s
          else period.period_start >= %(starting_from)s and period.period_start < %(starting_before)s
      end
      and (%(period_start)s::timestamptz is null or period.period_start = %(period_start)s)
      and (%(customer_ref)s::text is null or period.customer_ref = %(customer_ref)s)
    group by period.customer_ref, item.metric, period.period_start, period.period_end
    having %(subscription_id)s::text is null or %(subscription_id)s = any(array_agg(item.subscription_id))
),

told as (
    select customer_ref, metric, period_start, open_state, last_confirmed_at
    from tally.push_ledger
    where tenant_id = %(tenant_id)s and account = %(account)s and livemode = %(livemode)s
),

known as (
    select
        *,
        least(summary_read_at, greatest(invoice_read_at, invoice_absent_at)) as read_at,
        summary_read_at is null or (invoice_read_at is null and invoice_absent_at is null) as is_unread,
        coalesce(invoice_status in ('open', 'paid', 'void', 'uncollectible'), false) as is_final
    from tally.stripe_totals
    where tenant_id = %(tenant_id)s and account = %(account)s and livemode = %(livemode)s
),

findings as (
    select customer_ref, metric, period_start
    from tally.reconciliation_findings
    where tenant_id = %(tenant_id)s and account = %(account)s and livemode = %(livemode)s
)

select
    keys.*,
    case
        when coalesce(known.is_unread, true) or findings.metric is not null or told.open_state is not null then 0
        when not known.is_final and %(now)s >= keys.period_end - %(near_end)s
            and %(now)s < keys.period_end + %(never_final_after)s then 0
        -- A reading within the lag budget may lack what Stripe had accepted by then.
        when told.last_confirmed_at + tenant.lag_budget > known.read_at then 1
        else 2
    end as urgency,
    known.read_at
from keys
inner join tally.tenants as tenant on tenant.tenant_id = %(tenant_id)s
left join known using (customer_ref, metric, period_start)
left join told using (customer_ref, metric, period_start)
left join findings using (customer_ref, metric, period_start)
where %(begun_at)s::timestamptz is null
    or coalesce(known.is_unread or known.read_at < %(begun_at)s, true)
order by keys.customer_ref, keys.metric, keys.period_start
"""


@dataclass(frozen=True)
class TotalsKey:
    """One counter's place in Stripe: its customer, meter, items and period; how urgently it is to be read again.

    `item_ids` are the items', and `price:<price id>` of each price that they have had. `read_at` is when the older one
    of its two numbers was read; None: one never was.
    """

    customer_ref: str
    metric: str
    period_start: datetime
    period_end: datetime
    item_ids: list[str]
    subscription_ids: list[str]
    stripe_customer_ids: list[str]
    meter_id: str
    urgency: int
    read_at: datetime | None

    @property
    def period(self) -> Period:
        return Period(self.period_start, self.period_end)


def totals_keys(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    tenant_id: str,
    now: datetime,
    *,
    period_start: datetime | None = None,
    starting_in: tuple[datetime, datetime] | None = None,
    look_back: timedelta = LOOK_BACK,
    customer_ref: str | None = None,
    subscription_id: str | None = None,
    begun_at: datetime | None = None,
) -> list[TotalsKey]:
    """The places in Stripe to read, chosen as in `read_totals`; of one subscription's items, where it is given.

    What was read since `begun_at` is left out: a full reading goes on where a killed one was.
    """
    starting_from, starting_before = starting_in or (None, None)
    asked = {
        "tenant_id": tenant_id,
        "account": account.account,
        "livemode": account.livemode,
        "now": now,
        "look_back": look_back,
        "period_start": period_start,
        "starting_from": starting_from,
        "starting_before": starting_before,
        "customer_ref": customer_ref,
        "subscription_id": subscription_id,
        "begun_at": begun_at,
        "near_end": NEAR_END,
        "never_final_after": NEVER_FINAL_AFTER,
    }
    with connection.cursor(row_factory=class_row(TotalsKey)) as cursor:
        return cursor.execute(_KEYS, asked).fetchall()


def affordable(keys: Sequence[TotalsKey], budget: ReadBudget, now: datetime) -> tuple[list[TotalsKey], int]:
    """The keys that are due and that the budget has reads for, the most urgent first; and how many must wait for it."""
    sampled_before = now - sample_after(len(keys), budget.allowance)
    due = sorted(
        (key for key in keys if key.urgency < SAMPLE or (key.read_at is not None and key.read_at <= sampled_before)),
        key=lambda key: (key.urgency, (key.read_at or key.period_start).timestamp()),
    )
    used, chosen = budget.used, []
    for key in due:
        part, whole = _SHARES.get(key.urgency, (1, 0))
        if whole and (used + _READS_PER_KEY) * whole > budget.allowance * part:
            continue
        used += _READS_PER_KEY
        chosen.append(key)
    return chosen, len(due) - len(chosen)


def sample_after(keys: int, allowance: int) -> timedelta:
    """How old an unchanged total's reading gets: so that reading `keys` anew all the time takes half the allowance."""
    return min(SAMPLE_AFTER, SPAN * (2 * _READS_PER_KEY * keys) / allowance)
