"""The erasure: one transaction, so a killed one has done nothing and is run again."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from tally.erasure.errors import ErasureRefused
from tally.erasure.kept_proofs import RELATION as PROOFS
from tally.erasure.kept_proofs import erase_in_proofs
from tally.erasure.kept_reports import RELATION as REPORTS
from tally.erasure.kept_reports import erase_in_reports
from tally.erasure.person import Person
from tally.erasure.places import places
from tally.erasure.search import Mention, mentions
from tally.erasure.standing import in_flight
from tally.erasure.tables import Table, tables
from tally.ledger.ledger import ADVISORY_LOCK

# Who counts, replays, decides or syncs holds one of these: none of them has read a name that it would write after us.
_ALONE = """
select
    pg_advisory_xact_lock(%(ledger)s),
    pg_advisory_xact_lock(hashtextextended('stripe_sync ' || %(tenant_id)s, 7))
"""
_RECORD = """
insert into tally.erasures (tenant_id, pseudonym, erased_at, erased_by, reason, rows, forced)
values (%(tenant_id)s, %(pseudonym)s, %(now)s, %(by)s, %(reason)s, '{}', %(forced)s)
returning erasure_id::text
"""
_STRIPE_CUSTOMERS = """
insert into tally.erased_stripe_customers (tenant_id, stripe_customer_id, pseudonym)
select distinct tenant_id, stripe_customer_id, %(pseudonym)s
from (
    select tenant_id, customer_ref, stripe_customer_id from tally.stripe_subscription_items
    union all select tenant_id, customer_ref, stripe_customer_id from tally.push_intents
    union all select tenant_id, customer_ref, stripe_customer_id from tally.closing_rests
) as named
where tenant_id = %(tenant_id)s and customer_ref = %(customer_ref)s
on conflict (tenant_id, stripe_customer_id) do update set pseudonym = excluded.pseudonym
"""
_LOCK_SECONDS = 10


@dataclass(frozen=True)
class Erased:
    """What was done. `rows` by table; `mentions`: what still holds the name, and why."""

    erasure_id: str
    tenant_id: str
    pseudonym: str
    erased_at: datetime
    erased_by: str
    reason: str
    forced: bool
    rows: dict[str, int]
    mentions: list[Mention]


def erase(
    connection: psycopg.Connection[Any], person: Person, by: str, reason: str, now: datetime, *, forced: bool = False
) -> Erased:
    """Put the person's pseudonym wherever the name stands, and commit. `connection` is in autocommit.

    Ticks, pushes and syncs wait until it is done; the door does not. What lands meanwhile under the name stays.

    Raises:
        ErasureRefused: `by` or `reason` is empty or names the customer, something is on its way to Stripe, or others
            kept their locks.
    """
    _require_said(person, by, reason)
    try:
        done = _erase(connection, person, by, reason, now, forced)
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
        raise ErasureRefused("the tables stay in use by others: try again, or in a quieter hour") from None
    _clean_up(connection, done.rows)
    return done


def _erase(
    connection: psycopg.Connection[Any], person: Person, by: str, reason: str, now: datetime, forced: bool
) -> Erased:
    with connection.transaction():
        found = _alone_with(connection, person)
        if moving := in_flight(connection, person.tenant_id, person.customer_ref):
            raise ErasureRefused("; ".join(f"{count} {what}" for what, count in moving.items()))
        named = person.parameters(now=now, by=by, reason=reason, forced=forced)
        [(erasure_id,)] = connection.execute(_RECORD, named).fetchall()
        connection.execute(_STRIPE_CUSTOMERS, named)
        rows: dict[str, int] = {}
        for place in places(found, person):
            rows[place.relation] = rows.get(place.relation, 0) + place.erase(connection, person)
        rows[PROOFS] = erase_in_proofs(connection, person)
        rows[REPORTS] = erase_in_reports(connection, person)
        rows = {relation: count for relation, count in rows.items() if count}
        left = mentions(connection, found, person)
        connection.execute("update tally.erasures set rows = %s where erasure_id = %s", (Jsonb(rows), erasure_id))
    return Erased(erasure_id, person.tenant_id, person.pseudonym, now, by, reason, forced, rows, left)


def _require_said(person: Person, by: str, reason: str) -> None:
    for option, said in (("by", by), ("reason", reason)):
        if not said.strip():
            raise ErasureRefused(f"{option}: say it, it is what stays on record: --{option} …")
        if person.customer_ref in said:
            raise ErasureRefused(f"{option}: it names the customer, and it is what stays on record: --{option} …")


def _alone_with(connection: psycopg.Connection[Any], person: Person) -> list[Table]:
    """Nobody else writes the names until the transaction ends. Landed rows are left open: the door goes on."""
    connection.execute(f"set local lock_timeout = '{_LOCK_SECONDS}s'")
    connection.execute(_ALONE, person.parameters(ledger=ADVISORY_LOCK))
    # dbt run by hand knows nothing of the first.
    connection.execute("lock table tally.model_bounds in share row exclusive mode")
    found = tables(connection)
    written = sorted({place.relation for place in places(found, person)} | {PROOFS, REPORTS})
    ours = [name for name in written if not name.startswith(("raw.", "archive.", "dagster."))]
    connection.execute(f"lock table {', '.join(ours)} in share row exclusive mode".encode())
    return found


def _clean_up(connection: psycopg.Connection[Any], rows: dict[str, int]) -> None:
    """The rows as they were lie in the tables' files until then. Killed here, Postgres does it by itself, later."""
    for relation in rows:
        connection.execute(f"vacuum {relation}".encode())
