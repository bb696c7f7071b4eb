"""One evaluation: look, record what begins, goes on and ends, and send what is due. One at a time per database."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg

from tally.alerts.alert import Alert, alert_of, list_alerts
from tally.alerts.channels import channels
from tally.alerts.looking import DAGSTER_KINDS, look
from tally.alerts.message import INSTALLATION
from tally.alerts.outage import note_past_outage
from tally.alerts.recording import Looked, record, trigger
from tally.alerts.sending import send_due
from tally.alerts.watchers import beat
from tally.clock import Clock
from tally.finding import Finding
from tally.settings import Settings

ADVISORY_LOCK = 7_465_110_022


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found and did. `is_busy`: another process was at it, and nothing was done here.

    `found`: tenant and finding of everything that is wrong now. `nobody_is_told`: no channel is set up.
    """

    is_busy: bool = False
    found: tuple[tuple[str, Finding], ...] = ()
    triggered: tuple[Alert, ...] = ()
    resolved: tuple[Alert, ...] = ()
    open: tuple[Alert, ...] = ()
    sent: int = 0
    failed: int = 0
    waiting: int = 0
    reasons: tuple[str, ...] = ()
    nobody_is_told: bool = False


def evaluate(
    connection: psycopg.Connection[Any],
    settings: Settings,
    clock: Clock,
    *,
    evaluator: str = "cli",
    more: Iterable[Finding] = (),
    looked_at: Collection[str] = (),
) -> Evaluation:
    """Evaluate once; `connection` is in autocommit.

    Args:
        more: findings of the installation that only the caller can make, such as failed runs.
        looked_at: the kinds, of DAGSTER_KINDS, that `more` says everything about: what it leaves out is over.

    Raises:
        SettingsError: a channel is set up by half; nothing was done.
    """
    told = channels(settings)
    beat(connection, evaluator)
    with _alone(connection) as is_alone:
        if not is_alone:
            return Evaluation(is_busy=True)
        names, cooldown = [channel.name for channel in told], _cooldown(settings)
        note_past_outage(connection, settings, names, cooldown)
        found = (*look(connection, settings, clock), *((INSTALLATION, finding) for finding in more))
        looked = Looked(found, DAGSTER_KINDS - set(looked_at))
        done = record(connection, looked, names, cooldown, clock.now())
        sent = send_due(connection, told, clock)
        return Evaluation(
            found=tuple((tenant_id, finding) for (tenant_id, *_), finding in looked.by_key().items()),
            triggered=tuple(alert_of(connection, alert_id) for alert_id in done.triggered),
            resolved=tuple(alert_of(connection, alert_id) for alert_id in done.resolved),
            open=tuple(list_alerts(connection)),
            nobody_is_told=not told,
            **vars(sent),
        )


def report(connection: psycopg.Connection[Any], settings: Settings, clock: Clock, finding: Finding) -> int | None:
    """Open the alert of something that just happened to the installation, and tell of it now.

    Returns its number; None when it is open already. The next evaluation that looks at its kind resolves it, if it is
    over by then.
    """
    told = channels(settings)
    key = (INSTALLATION, finding.kind, finding.subject)
    names = [channel.name for channel in told]
    with connection.transaction():
        alert_id = trigger(connection, key, finding.sentence, names, _cooldown(settings), clock.now())
    with _alone(connection) as is_alone:
        if is_alone:
            send_due(connection, told, clock)
    return alert_id


def _cooldown(settings: Settings) -> timedelta:
    return timedelta(minutes=settings.alert_cooldown_minutes)


@contextmanager
def _alone(connection: psycopg.Connection[Any]) -> Iterator[bool]:
    """Hold the evaluators' lock; it ends with the connection, so a killed evaluator keeps nobody out."""
    locked = connection.execute("select pg_try_advisory_lock(%s)", (ADVISORY_LOCK,)).fetchone() == (True,)
    try:
        yield locked
    finally:
        if locked and not connection.broken:
            connection.execute("select pg_advisory_unlock(%s)", (ADVISORY_LOCK,))
