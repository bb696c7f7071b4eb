"""Stripe's read allowance as a budget: what was read, what may be, and how much of that is left.

Stripe allows 500 GETs per transaction in a rolling 30 days, and at least 10,000. Calls that send usage, and previews,
are POSTs and count against other limits.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import psycopg
import stripe
from psycopg.rows import class_row

from tally.clock import Clock
from tally.errors import TallyError
from tally.stripe.account import StripeAccount
from tally.stripe.requests import CountedRequests

SPAN = timedelta(days=30)
READS_PER_TRANSACTION = 500
LEAST_READS = 10_000

Purpose = Literal["adoption", "closing", "settlement", "sync", "totals", "webhooks"]

_COUNT = """
insert into tally.stripe_reads as old (tenant_id, account, livemode, day, purpose, reads)
values (%(tenant_id)s, %(account)s, %(livemode)s, (%(now)s at time zone 'UTC')::date, %(purpose)s, %(reads)s)
on conflict (tenant_id, account, livemode, day, purpose) do update set reads = old.reads + excluded.reads
"""
# Of an account all tenants share one allowance. A transaction is a payment; we know of those that paid usage.
_BUDGETS = """
with read as (
    select account, livemode, sum(reads) as used
    from tally.stripe_reads
    where day > (%(since)s at time zone 'UTC')::date
    group by account, livemode
),

paid as (
    select account, livemode, count(distinct invoice_id) as transactions
    from tally.stripe_totals
    where invoice_status = 'paid' and invoice_amount > 0 and period_end > %(since)s
    group by account, livemode
),

billed as (
    select distinct account, livemode from tally.stripe_reads
    where %(tenant_id)s::text is null or tenant_id = %(tenant_id)s
    union
    select %(account)s::text, %(livemode)s::boolean where %(account)s::text is not null
)

select
    billed.account,
    billed.livemode,
    coalesce(read.used, 0)::bigint as used,
    coalesce(
        %(allowance)s::bigint,
        greatest(%(least)s, %(per_transaction)s * coalesce(paid.transactions, 0))
    )::bigint as allowance
from billed
left join read using (account, livemode)
left join paid using (account, livemode)
order by billed.account, billed.livemode
"""


@dataclass(frozen=True)
class ReadBudget:
    """GETs of one account and mode in the last 30 days, and how many are allowed in that time."""

    account: str
    livemode: bool
    used: int
    allowance: int

    @property
    def left(self) -> int:
        return max(0, self.allowance - self.used)


@contextmanager
def reads_booked(
    connection: psycopg.Connection[Any], account: StripeAccount, tenant_id: str, purpose: Purpose, clock: Clock
) -> Iterator[None]:
    """Every GET that the block makes through `account` is booked, also where Stripe or a rule of ours refuses it.

    Blocks may lie in each other: what the inner one booked is its own. All that reads from Stripe for a tenant does so
    in one. A process that dies in it loses the number of its last reads.
    """
    try:
        yield
    except (stripe.StripeError, TallyError):
        count_reads(connection, account, tenant_id, purpose, clock.now())
        raise
    count_reads(connection, account, tenant_id, purpose, clock.now())


def count_reads(
    connection: psycopg.Connection[Any], account: StripeAccount, tenant_id: str, purpose: Purpose, now: datetime
) -> int:
    """Book the GETs made through `account` since they were last booked; returns how many."""
    reads = account.http.take_gets() if isinstance(account.http, CountedRequests) else 0
    if reads:
        booked = {"tenant_id": tenant_id, "account": account.account, "livemode": account.livemode}
        connection.execute(_COUNT, booked | {"now": now, "purpose": purpose, "reads": reads})
    return reads


def read_budget(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    tenant_id: str,
    now: datetime,
    allowance: int | None = None,
) -> ReadBudget:
    """The account's budget. `allowance`: what was agreed with Stripe, instead of what follows from paid invoices."""
    found = _budgets(connection, tenant_id, now, allowance, account.account, account.livemode)
    return next(each for each in found if (each.account, each.livemode) == (account.account, account.livemode))


def read_budgets(
    connection: psycopg.Connection[Any], tenant_id: str | None, now: datetime, allowance: int | None = None
) -> list[ReadBudget]:
    """Of every account that the tenant was read from; None: that any tenant was."""
    return _budgets(connection, tenant_id, now, allowance, None, None)


def _budgets(
    connection: psycopg.Connection[Any],
    tenant_id: str | None,
    now: datetime,
    allowance: int | None,
    account: str | None,
    livemode: bool | None,
) -> list[ReadBudget]:
    asked = {
        "tenant_id": tenant_id,
        "since": now - SPAN,
        "allowance": allowance,
        "least": LEAST_READS,
        "per_transaction": READS_PER_TRANSACTION,
        "account": account,
        "livemode": livemode,
    }
    with connection.cursor(row_factory=class_row(ReadBudget)) as cursor:
        return cursor.execute(_BUDGETS, asked).fetchall()
