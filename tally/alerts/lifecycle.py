"""What people do with an alert: take it on, put it off, say that it is over."""

from datetime import datetime, timedelta
from typing import Any

import psycopg

from tally.alerts.alert import Alert, alert_of
from tally.alerts.recording import note
from tally.errors import TallyError

_CHANGE = """
update tally.alerts set
    state = %(state)s,
    snoozed_until = %(snoozed_until)s,
    resolved_at = case when %(state)s = 'resolved' then %(now)s::timestamptz end,
    resolved_by = case when %(state)s = 'resolved' then %(actor)s::text end
where tenant_id = %(tenant_id)s and alert_id = %(alert_id)s and state <> 'resolved'
"""


class AlertIsOver(TallyError):
    """The alert was resolved before; nothing was changed."""


def acknowledge(connection: psycopg.Connection[Any], alert_id: int, actor: str, now: datetime, why: str = "") -> Alert:
    """Somebody sees to it: no more reminders."""
    return _changed(connection, alert_id, "acknowledged", actor, now, why)


def snooze(
    connection: psycopg.Connection[Any], alert_id: int, actor: str, now: datetime, span: timedelta, why: str = ""
) -> Alert:
    """Nothing is told for `span`; if it is still wrong then, it is triggered again."""
    if span <= timedelta(0):
        raise TallyError("snooze for longer than 0m")
    return _changed(connection, alert_id, "snoozed", actor, now, why, until=now + span)


def resolve(connection: psycopg.Connection[Any], alert_id: int, actor: str, now: datetime, why: str = "") -> Alert:
    """A person says that it is over. Found again, it is a new alert, but not within the cooldown."""
    return _changed(connection, alert_id, "resolved", actor, now, why)


def _changed(
    connection: psycopg.Connection[Any],
    alert_id: int,
    state: str,
    actor: str,
    now: datetime,
    why: str,
    until: datetime | None = None,
) -> Alert:
    """
    Raises:
        NoSuchAlert, AlertIsOver: nothing was changed.
    """
    with connection.transaction():
        alert = alert_of(connection, alert_id)
        key = {"tenant_id": alert.tenant_id, "alert_id": alert_id}
        change = {**key, "state": state, "snoozed_until": until, "now": now, "actor": actor}
        if connection.execute(_CHANGE, change).rowcount == 0:
            raise AlertIsOver(f"alert {alert_id} is resolved: it stays as it is")
        said = f"until {until:%Y-%m-%d %H:%M:%S}Z" if until else ""
        note(connection, alert.tenant_id, alert_id, state, actor, now, ": ".join(filter(None, (said, why))))
        return alert_of(connection, alert_id)
