"""An alert as it stands in the database, and what became of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from tally.errors import TallyError

STATES = ("triggered", "acknowledged", "snoozed", "resolved")

_COLUMNS = """
    tenant_id, alert_id, kind, subject, sentence, state, triggered_at, seen_at, snoozed_until, resolved_at, resolved_by
"""
_LIST = f"""
select {_COLUMNS} from tally.alerts
where (%(tenant_id)s::text is null or tenant_id in (%(tenant_id)s, '*'))
  and (%(state)s::text is null or state = %(state)s)
  and (%(alert_id)s::bigint is null or alert_id = %(alert_id)s)
  and (not %(open_only)s or state <> 'resolved')
order by alert_id desc
limit %(limit)s
"""
_HISTORY = """
select event, actor, note, at from tally.alert_history
where tenant_id = %(tenant_id)s and alert_id = %(alert_id)s order by seq
"""
_DELIVERIES = """
select delivery_id, channel, notice, state, planned_at, attempts, next_attempt_at, sent_at, error
from tally.alert_deliveries where tenant_id = %(tenant_id)s and alert_id = %(alert_id)s order by delivery_id
"""


class NoSuchAlert(TallyError):
    """There is no alert of this number."""


@dataclass(frozen=True)
class Alert:
    """One fault, from its first sight to its end. `tenant_id` "*": of the whole installation. Times are UTC."""

    tenant_id: str
    alert_id: int
    kind: str
    subject: str
    sentence: str
    state: str
    triggered_at: datetime
    seen_at: datetime
    snoozed_until: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None


@dataclass(frozen=True)
class HistoryRow:
    """A step of an alert's life."""

    event: str
    actor: str
    note: str
    at: datetime


@dataclass(frozen=True)
class Delivery:
    """A message about an alert through one channel. `error` is the last attempt's."""

    delivery_id: int
    channel: str
    notice: str
    state: str
    planned_at: datetime
    attempts: int
    next_attempt_at: datetime
    sent_at: datetime | None
    error: str | None


def list_alerts(
    connection: psycopg.Connection[Any],
    *,
    tenant_id: str | None = None,
    state: str | None = None,
    open_only: bool = True,
    limit: int = 200,
) -> list[Alert]:
    """Alerts, newest first; with `tenant_id` the tenant's and the installation's."""
    asked = {"tenant_id": tenant_id, "state": state, "open_only": open_only, "limit": limit, "alert_id": None}
    with connection.cursor(row_factory=class_row(Alert)) as cursor:
        return cursor.execute(_LIST, asked).fetchall()


def alert_of(connection: psycopg.Connection[Any], alert_id: int) -> Alert:
    """The alert of this number.

    Raises:
        NoSuchAlert: there is none.
    """
    asked = {"tenant_id": None, "state": None, "open_only": False, "limit": 1, "alert_id": alert_id}
    with connection.cursor(row_factory=class_row(Alert)) as cursor:
        found = cursor.execute(_LIST, asked).fetchone()
    if found is None:
        raise NoSuchAlert(f"no alert {alert_id}: `tally alerts list --all` shows which there are")
    return found


def history_of(connection: psycopg.Connection[Any], alert: Alert) -> tuple[list[HistoryRow], list[Delivery]]:
    """What became of the alert, and whom it was told; in order."""
    key = {"tenant_id": alert.tenant_id, "alert_id": alert.alert_id}
    with connection.cursor(row_factory=class_row(HistoryRow)) as cursor:
        history = cursor.execute(_HISTORY, key).fetchall()
    with connection.cursor(row_factory=class_row(Delivery)) as cursor:
        return history, cursor.execute(_DELIVERIES, key).fetchall()
