"""The alerts of a chaos day: somebody looks every few seconds, as cron would, and what was raised is read back."""

import threading
from contextlib import suppress
from datetime import datetime

import psycopg

from tally import alerts
from tally.clock import clock_for
from tally.errors import DatabaseUnavailable
from tests.chaos.faults import Fault
from tests.chaos.outcome import Raised
from tests.chaos.stage import Stage

EVERY_SECONDS = 5.0

_RAISED = """
select kind, subject, triggered_at, resolved_at, resolved_by
from tally.alerts
where kind = %s and (%s::text is null or subject = %s) and triggered_at >= %s
order by triggered_at limit 1
"""
_OPEN = """
select exists (
    select from tally.alerts where kind = %s and (%s::text is null or subject = %s) and resolved_at is null
)
"""


class Watch:
    """Evaluates alerts every `EVERY_SECONDS`, whatever of the stack is down; it does what the command does."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def raised(self, fault: Fault, since: datetime) -> Raised | None:
        """The first alert of the fault's kind since then; None also while Postgres is away."""
        with suppress(psycopg.Error, DatabaseUnavailable), self._stage.connect() as connection:
            row = connection.execute(_RAISED, (fault.alert, fault.subject, fault.subject, since)).fetchone()
            return None if row is None else Raised(*row)
        return None

    def is_open(self, fault: Fault) -> bool:
        """Whether an alert like the fault's is open: another one could not be told from it."""
        with suppress(psycopg.Error, DatabaseUnavailable), self._stage.connect() as connection:
            return connection.execute(_OPEN, (fault.alert, fault.subject, fault.subject)).fetchone() == (True,)
        return True

    def has_noticed(self, fault: Fault, since: datetime) -> bool:
        """Whether the fault is known to somebody; while Postgres is away there is a note of it on disk."""
        if fault.alert == "database_down":
            return (self._stage.settings.home / "database_down.json").exists()
        return self.raised(fault, since) is not None

    def _run(self) -> None:
        while not self._over.wait(EVERY_SECONDS):
            self._evaluate()

    def _evaluate(self) -> None:
        settings = self._stage.settings
        try:
            with self._stage.connect() as connection:
                alerts.evaluate(connection, settings, clock_for(settings, connection))
        except (psycopg.OperationalError, DatabaseUnavailable) as away:
            alerts.tell_of_outage(settings, str(away))
