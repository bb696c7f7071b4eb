"""How an account stands: stopped, paused, its circuit open; and the person who says that it may go on."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from tally.push.turns import OPEN_FROM
from tally.stripe.account import StripeAccount

_STANDING = """
select
    account, livemode, stopped_at, stopped_because, paused_until, pause_reason,
    case when failures >= %(open_from)s then failing_since end as open_since, failures, retry_at
from tally.push_accounts
where (stopped_at is not null or paused_until > clock_timestamp() or failures >= %(open_from)s)
"""
_OF_AN_ACCOUNT = " and account = %(account)s and livemode = %(livemode)s"
_OF_A_TENANT = """
  and exists (
      select from tally.push_intents as intent
      where intent.tenant_id = %(tenant_id)s
        and intent.account = push_accounts.account and intent.livemode = push_accounts.livemode
  )
order by account, livemode
"""
_RESUME = """
update tally.push_accounts
set stopped_at = null, stopped_because = null, stopped_key = null, paused_until = null, pause_reason = null,
    failures = 0, failing_since = null, retry_at = null
where account = %(account)s and livemode = %(livemode)s
  and (stopped_at is not null or paused_until > clock_timestamp() or failures > 0)
"""
_STOP_ALL = """
insert into tally.push_accounts (account, livemode, stopped_at, stopped_because)
select distinct account, livemode, now(), %(why)s from tally.push_intents
on conflict (account, livemode) do update set
    stopped_at = excluded.stopped_at, stopped_because = excluded.stopped_because, stopped_key = null
"""


@dataclass(frozen=True)
class Standing:
    """Why an account is not called as usual, in real time of the database."""

    account: str
    livemode: bool
    stopped_at: datetime | None
    stopped_because: str | None
    paused_until: datetime | None
    pause_reason: str | None
    open_since: datetime | None
    failures: int
    retry_at: datetime | None

    def __str__(self) -> str:
        if self.stopped_at is not None:
            return (
                f"stopped since {self.stopped_at:%Y-%m-%d %H:%M:%S}Z: {self.stopped_because}; nothing is sent until"
                " `tally push resume`, or until another key works"
            )
        if self.open_since is not None:
            return (
                f"circuit open: {self.failures} calls in a row without an answer since"
                f" {self.open_since:%Y-%m-%d %H:%M:%S}Z; one at a time looks whether Stripe is back"
            )
        return f"paused until {self.paused_until:%Y-%m-%d %H:%M:%S}Z: {self.pause_reason}"


def standing(connection: psycopg.Connection[Any], account: StripeAccount) -> Standing | None:
    """How the account stands, None when nothing is wrong with it."""
    with connection.cursor(row_factory=class_row(Standing)) as cursor:
        return cursor.execute(_STANDING + _OF_AN_ACCOUNT, _key(account) | {"open_from": OPEN_FROM}).fetchone()


def held_up(connection: psycopg.Connection[Any], tenant_id: str) -> list[Standing]:
    """The accounts that the tenant pushes to and that are stopped or without an answer; a pause soon passes."""
    with connection.cursor(row_factory=class_row(Standing)) as cursor:
        found = cursor.execute(_STANDING + _OF_A_TENANT, {"tenant_id": tenant_id, "open_from": OPEN_FROM}).fetchall()
    return [each for each in found if each.stopped_at is not None or each.open_since is not None]


def resume(connection: psycopg.Connection[Any], account: StripeAccount) -> bool:
    """A person says that the account may be called again, at once; False when nothing held it up."""
    with connection.transaction():
        return connection.execute(_RESUME, _key(account)).rowcount > 0


def stop_all(connection: psycopg.Connection[Any], why: str) -> int:
    """Stop every account that was ever pushed to, until a person resumes it; returns how many."""
    with connection.transaction():
        return connection.execute(_STOP_ALL, {"why": why}).rowcount


def _key(account: StripeAccount) -> dict[str, Any]:
    return {"account": account.account, "livemode": account.livemode}
