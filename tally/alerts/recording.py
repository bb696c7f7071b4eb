"""From what an evaluation found to rows: alerts that begin, go on and end, and the messages that are due.

A message is due when an alert begins, once a cooldown while nobody has taken it on, and when it is over for whoever was
told. The same fault is told at most once within the cooldown, also when it comes and goes.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import class_row

from tally.alerts.alert import Alert
from tally.alerts.message import INSTALLATION
from tally.alerts.statements import statement
from tally.finding import Finding

# Who resolves what is not found any more.
ITSELF = "tally"

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Looked:
    """What an evaluation found, by tenant; and of which tenants and kinds nothing can be said because nobody looked."""

    found: tuple[tuple[str, Finding], ...]
    unseen_kinds: frozenset[str] = frozenset()

    def by_key(self) -> dict[Key, Finding]:
        """Each fault once: what is of the whole installation is found in every tenant."""
        return {
            (INSTALLATION if finding.is_global else tenant_id, finding.kind, finding.subject): finding
            for tenant_id, finding in self.found
        }


@dataclass
class Recorded:
    """What an evaluation changed."""

    triggered: list[int] = field(default_factory=list)
    resolved: list[int] = field(default_factory=list)


def record(
    connection: psycopg.Connection[Any],
    looked: Looked,
    channels: Collection[str],
    cooldown: timedelta,
    now: datetime,
) -> Recorded:
    """Write all of it in one transaction; messages go to `channels`. The caller holds the evaluator's lock."""
    done = Recorded()
    with connection.transaction():
        open_alerts = {(alert.tenant_id, alert.kind, alert.subject): alert for alert in _open(connection)}
        found = looked.by_key()
        for key, finding in found.items():
            if (alert := open_alerts.get(key)) is not None:
                _goes_on(connection, alert, finding, channels, cooldown, now)
            elif (alert_id := trigger(connection, key, finding.sentence, channels, cooldown, now)) is not None:
                done.triggered.append(alert_id)
        for key, alert in open_alerts.items():
            if key not in found and alert.kind not in looked.unseen_kinds:
                _ends(connection, alert, channels, now)
                done.resolved.append(alert.alert_id)
    return done


def trigger(
    connection: psycopg.Connection[Any],
    key: Key,
    sentence: str,
    channels: Iterable[str],
    cooldown: timedelta,
    now: datetime,
) -> int | None:
    """Open the alert and plan its messages; None when it is open, or a person resolved it within the cooldown."""
    tenant_id, kind, subject = key
    row = {"tenant_id": tenant_id, "kind": kind, "subject": subject, "sentence": sentence, "now": now}
    begun = connection.execute(statement("trigger.sql"), row | {"since": now - cooldown, "itself": ITSELF}).fetchone()
    if begun is None:
        return None
    alert_id: int = begun[0]
    note(connection, tenant_id, alert_id, "triggered", ITSELF, now, sentence)
    _plan(connection, tenant_id, alert_id, "triggered", channels, cooldown, now)
    return alert_id


def note(
    connection: psycopg.Connection[Any],
    tenant_id: str,
    alert_id: int,
    event: str,
    actor: str,
    now: datetime,
    text: str = "",
) -> None:
    """A step of the alert's life into its history."""
    connection.execute(
        "insert into tally.alert_history (tenant_id, alert_id, event, actor, note, at) values (%s, %s, %s, %s, %s, %s)",
        (tenant_id, alert_id, event, actor, text, now),
    )


def _goes_on(
    connection: psycopg.Connection[Any],
    alert: Alert,
    finding: Finding,
    channels: Iterable[str],
    cooldown: timedelta,
    now: datetime,
) -> None:
    key: Mapping[str, Any] = {"tenant_id": alert.tenant_id, "alert_id": alert.alert_id}
    connection.execute(statement("goes_on.sql"), {**key, "sentence": finding.sentence, "now": now})
    if alert.state == "snoozed" and alert.snoozed_until is not None and alert.snoozed_until <= now:
        connection.execute(statement("snooze_over.sql"), key)
        note(connection, alert.tenant_id, alert.alert_id, "snooze_over", ITSELF, now)
        _plan(connection, alert.tenant_id, alert.alert_id, "reminder", channels, timedelta(0), now)
    elif alert.state == "triggered":
        _plan(connection, alert.tenant_id, alert.alert_id, "reminder", channels, cooldown, now)


def _ends(connection: psycopg.Connection[Any], alert: Alert, channels: Iterable[str], now: datetime) -> None:
    connection.execute(
        statement("ends.sql"),
        {"tenant_id": alert.tenant_id, "alert_id": alert.alert_id, "now": now, "by": ITSELF},
    )
    note(connection, alert.tenant_id, alert.alert_id, "resolved", ITSELF, now, "not found any more")
    row = {"tenant_id": alert.tenant_id, "alert_id": alert.alert_id, "now": now, "channels": list(channels)}
    connection.execute(statement("plan_resolved.sql"), row)


def _plan(
    connection: psycopg.Connection[Any],
    tenant_id: str,
    alert_id: int,
    notice: str,
    channels: Iterable[str],
    cooldown: timedelta,
    now: datetime,
) -> None:
    row = {"tenant_id": tenant_id, "alert_id": alert_id, "notice": notice, "now": now, "since": now - cooldown}
    connection.execute(statement("plan.sql"), row | {"channels": list(channels)})


def _open(connection: psycopg.Connection[Any]) -> list[Alert]:
    with connection.cursor(row_factory=class_row(Alert)) as cursor:
        return cursor.execute(statement("open.sql")).fetchall()
