"""Full readings of Stripe's side that outlive a kill: the next one of the same scope goes on where it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import psycopg

from tally.stripe.account import StripeAccount

# An older one is stale: what it had read may have changed since.
GOES_ON_WITHIN = timedelta(hours=6)

_SCOPE = "tenant_id = %(tenant_id)s and account = %(account)s and livemode = %(livemode)s and scope = %(scope)s"
_BEGIN = f"""
with known as (
    select started_at from tally.reconciliation_sweeps
    where {_SCOPE} and started_at > %(now)s - %(goes_on_within)s
),

begun as (
    insert into tally.reconciliation_sweeps (tenant_id, account, livemode, scope, started_at)
    select %(tenant_id)s, %(account)s, %(livemode)s, %(scope)s, %(now)s
    where not exists (select from known)
    on conflict (tenant_id, account, livemode, scope) do update set started_at = excluded.started_at
)

select started_at from known
"""


@contextmanager
def sweep(
    connection: psycopg.Connection[Any], account: StripeAccount, tenant_id: str, scope: str, now: datetime
) -> Iterator[datetime | None]:
    """A full reading of `scope` (its name). Gives when the one began that this goes on with; None: a new one.

    Only a block that ends without an exception ends the sweep.
    """
    asked = {
        "tenant_id": tenant_id,
        "account": account.account,
        "livemode": account.livemode,
        "scope": scope,
        "now": now,
        "goes_on_within": GOES_ON_WITHIN,
    }
    with connection.transaction():
        row = connection.execute(_BEGIN, asked).fetchone()
    yield row[0] if row else None
    with connection.transaction():
        connection.execute(f"delete from tally.reconciliation_sweeps where {_SCOPE}", asked)
