"""Whose webhooks there are to handle: every account that something is sent to, with the tenants it bills for."""

from dataclasses import dataclass
from typing import Any

import psycopg
import stripe

from tally.clock import Clock
from tally.errors import StripeModeError
from tally.settings import Settings
from tally.stripe.account import StripeAccount, open_account
from tally.stripe.reads import reads_booked
from tally.webhooks.handling import HandleResult, handle
from tally.webhooks.poll import poll_reports
from tally.webhooks.queue import postpone

_ACCOUNTS = """
select account, array_agg(distinct tenant_id order by tenant_id)
from tally.push_mappings
where active
group by account
order by account
"""
_IGNORE_STRANGERS = """
update tally.stripe_webhooks
set state = 'ignored', outcome = 'no active mapping sends to this account', ended_at = %(now)s, lease_until = null
where state = 'received' and not account in (select account from tally.push_mappings where active)
"""
_WAITS = """
select exists (
    select from tally.stripe_webhooks
    where state = 'received' and (lease_until is null or lease_until <= clock_timestamp())
)
"""


@dataclass(frozen=True)
class AccountHandled:
    """One account's webhooks; `failure` says why Stripe could not be asked, for want of a key or a right of it."""

    account: str
    mode: str | None = None
    result: HandleResult | None = None
    failure: str | None = None

    @property
    def wrong(self) -> tuple[str, ...]:
        """What a person should know, as sentences; empty when all is well."""
        stopped = self.result.stopped if self.result is not None else None
        about = tuple(f"{self.account}: {each}" for each in (self.failure, stopped) if each is not None)
        return about + (self.result.failures if self.result is not None else ())


def handle_all(settings: Settings, connection: psycopg.Connection[Any], clock: Clock) -> list[AccountHandled]:
    """Ask every account for reports that no webhook brought, then handle what is due of it.

    A webhook of another mode than the account's key stays received.
    """
    connection.execute(_IGNORE_STRANGERS, {"now": clock.now()})
    accounts = connection.execute(_ACCOUNTS).fetchall()
    return [_handled(settings, connection, clock, name, tenant_ids) for name, tenant_ids in accounts]


def _handled(
    settings: Settings, connection: psycopg.Connection[Any], clock: Clock, name: str, tenant_ids: list[str]
) -> AccountHandled:
    try:
        account = open_account(settings, name)
    except StripeModeError as closed:
        postpone(connection, name, None, str(closed))
        return AccountHandled(name, failure=str(closed))
    postpone(connection, name, not account.livemode, f"the key of this account is a {account.mode} key")
    try:
        failure = _polled(connection, account, tenant_ids[0], clock)
        return AccountHandled(name, account.mode, handle(connection, account, tenant_ids, clock), failure)
    finally:
        account.close()


def _polled(connection: psycopg.Connection[Any], account: StripeAccount, tenant_id: str, clock: Clock) -> str | None:
    """Why the account's reports could not be listed; None when they were."""
    try:
        with reads_booked(connection, account, tenant_id, "webhooks", clock):
            poll_reports(connection, account)
    except stripe.StripeError as error:
        return f"its events could not be listed: {type(error).__name__}: {error.user_message or error}"
    return None


def is_due(connection: psycopg.Connection[Any]) -> bool:
    """Whether any received webhook waits for a handler: one look at an index."""
    row = connection.execute(_WAITS).fetchone()
    return row is not None and bool(row[0])
