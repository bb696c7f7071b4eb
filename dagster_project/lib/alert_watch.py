"""The resident loop looks out for alerts where nobody else does: a dead daemon must not make everybody silent.

In a thread of its own, which no tick waits for. No Dagster in here.
"""

import logging
import threading
from datetime import timedelta

import psycopg

from tally import alerts
from tally.clock import clock_for
from tally.database import connect, database_url
from tally.errors import DatabaseUnavailable, TallyError
from tally.settings import Settings

log = logging.getLogger("tally.alerts")

EVERY_SECONDS = 30.0
# Dagster's sensor looks every minute: after one that it missed it is our turn.
OTHERS_LOOK_WITHIN = timedelta(seconds=75)
# A restart of Postgres is no outage.
SECONDS_TO_RESTART = 10.0


class AlertWatch:
    """Evaluates every half minute unless somebody else has; tells people when Postgres is down."""

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        """Setting `stop` ends the thread."""
        self._settings = settings
        self._stop = stop
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def look(self) -> bool:
        """Evaluate unless somebody has lately; whether it was done.

        Raises:
            DatabaseUnavailable: Postgres does not answer.
        """
        with connect(database_url(self._settings), autocommit=True) as connection:
            if alerts.looked_within(connection, OTHERS_LOOK_WITHIN):
                return False
            clock = clock_for(self._settings, connection)
            return not alerts.evaluate(connection, self._settings, clock, evaluator=alerts.LOOP).is_busy

    def _run(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            try:
                self._look_twice()
            except (psycopg.Error, TallyError) as error:
                log.error("alerts were not evaluated, next in %.0f s: %s", EVERY_SECONDS, error)

    def _look_twice(self) -> None:
        try:
            self.look()
        except DatabaseUnavailable:
            if self._stop.wait(SECONDS_TO_RESTART):
                return
            try:
                self.look()
            except DatabaseUnavailable as error:
                for fault in alerts.tell_of_outage(self._settings, str(error)):
                    log.error("nobody was told that Postgres is down: %s", fault)
                raise
