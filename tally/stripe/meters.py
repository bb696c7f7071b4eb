"""Stripe's meters as last synced: so that a mapping which cannot work is refused when it is declared."""

from collections.abc import Iterable
from typing import Any

import psycopg

from tally.stripe.mirror import MirrorKey
from tally.stripe.subscriptions import StripeMeter

_REPLACE = """
insert into tally.stripe_meters (
    tenant_id, account, livemode, meter_id, event_name, formula, is_active, problem, synced_at
) values (
    %(tenant_id)s, %(account)s, %(livemode)s, %(meter_id)s, %(event_name)s, %(formula)s, %(is_active)s, %(problem)s,
    %(now)s
)
on conflict (tenant_id, account, livemode, meter_id) do update set
    event_name = excluded.event_name, formula = excluded.formula, is_active = excluded.is_active,
    problem = excluded.problem, synced_at = excluded.synced_at
"""
# Of the meters with this event name the one that takes events: the active one, if there is any.
_PROBLEM = """
select problem from tally.stripe_meters
where tenant_id = %s and account = %s and event_name = %s
order by is_active desc, synced_at desc
limit 1
"""


def write_meters(connection: psycopg.Connection[Any], key: MirrorKey, meters: Iterable[StripeMeter]) -> None:
    """Store the meters of the account, mapped or not."""
    with connection.cursor() as cursor:
        cursor.executemany(_REPLACE, [key.parameters(**vars(meter)) for meter in meters])


def known_problem(connection: psycopg.Connection[Any], tenant_id: str, account: str, event_name: str) -> str | None:
    """Why no counter can be sent to the meter of this event name; None: it can, or no sync has seen it yet."""
    row = connection.execute(_PROBLEM, (tenant_id, account, event_name)).fetchone()
    return row[0] if row is not None else None
