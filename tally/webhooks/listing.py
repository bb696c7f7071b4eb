"""Received webhooks as a person looks at them, and taking up again those that failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row, dict_row

from tally.errors import TallyError

_COLUMNS = """
    account, livemode, event_id, payload, type, object_id, created_at, received_at, state, attempts, ended_at, outcome
"""
_LIST = f"""
select {_COLUMNS} from tally.stripe_webhooks
where (%(state)s::text is null or state = %(state)s) and (%(type)s::text is null or starts_with(type, %(type)s))
order by received_at desc, event_id
limit %(limit)s
"""
_ONE = f"select {_COLUMNS} from tally.stripe_webhooks where event_id = %(event_id)s order by account, livemode"
_REPORTS = """
select tenant_id, code, event_name, error_count, sampled, rejected, questioned, message, window_start, window_end
from tally.meter_error_reports
where account = %(account)s and livemode = %(livemode)s and event_id = %(event_id)s
order by tenant_id, code
"""
_RETRY = """
update tally.stripe_webhooks
set state = 'received', attempts = 0, lease_until = null, ended_at = null
where state in ('failed', 'ignored') and event_id = any(%(event_ids)s)
   or state = 'failed' and %(all_failed)s
"""


class NoSuchWebhook(TallyError):
    """No webhook with this event id was received."""


@dataclass(frozen=True)
class Webhook:
    """One received event of Stripe. `created_at` is when it happened; `outcome` is for people."""

    account: str
    livemode: bool
    event_id: str
    payload: str
    type: str
    object_id: str | None
    created_at: datetime
    received_at: datetime
    state: str
    attempts: int
    ended_at: datetime | None
    outcome: str | None

    @property
    def mode(self) -> str:
        """The mode in a word, for people."""
        return "live" if self.livemode else "test"


def list_webhooks(
    connection: psycopg.Connection[Any], state: str | None = None, type_: str | None = None, limit: int = 50
) -> list[Webhook]:
    """The newest first; `type_` is how the type begins."""
    parameters = {"state": state, "type": type_, "limit": limit}
    with connection.cursor(row_factory=class_row(Webhook)) as cursor:
        return cursor.execute(_LIST, parameters).fetchall()


def show(connection: psycopg.Connection[Any], event_id: str) -> tuple[Webhook, list[dict[str, Any]]]:
    """A webhook, and where it is an error report, what it made of the ledger: a row per tenant and code.

    Raises:
        NoSuchWebhook: it was never received.
    """
    with connection.cursor(row_factory=class_row(Webhook)) as cursor:
        webhook = cursor.execute(_ONE, {"event_id": event_id}).fetchone()
    if webhook is None:
        raise NoSuchWebhook(f"no webhook {event_id} was received: `tally webhooks list` shows those that were")
    with connection.cursor(row_factory=dict_row) as cursor:
        reports = cursor.execute(_REPORTS, vars(webhook)).fetchall()
    return webhook, reports


def retry(connection: psycopg.Connection[Any], event_ids: Sequence[str], *, all_failed: bool = False) -> int:
    """Let the next handler take these up again, or all that failed; returns how many.

    Raises:
        NoSuchWebhook: one of them was never received.
    """
    for event_id in event_ids:
        show(connection, event_id)
    return connection.execute(_RETRY, {"event_ids": list(event_ids), "all_failed": all_failed}).rowcount
