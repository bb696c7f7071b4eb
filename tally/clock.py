"""The one clock. Everything that asks the time takes a `Clock`, so a month runs in seconds in a demo or a test."""

from datetime import UTC, datetime
from typing import Protocol

import psycopg

from tally.settings import Settings


class Clock(Protocol):
    """Answers the time, in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's time."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class FixedClock:
    """Time that stands still until somebody moves `at`. For tests."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


class SimulatedClock:
    """Time as the database's `tally.simulated_clock` row says, so that several processes share it."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def now(self) -> datetime:
        row = self._connection.execute("select now from tally.simulated_clock").fetchone()
        if row is None:
            raise LookupError(
                "TALLY_CLOCK is simulated but tally.simulated_clock is empty: set it before asking the time"
            )
        now: datetime = row[0]
        return now.astimezone(UTC)

    def set(self, now: datetime) -> None:
        """Move the shared time to `now` and commit."""
        self._connection.execute(
            "insert into tally.simulated_clock (now) values (%s) "
            "on conflict (only_row) do update set now = excluded.now",
            (now,),
        )
        self._connection.commit()


def clock_for(settings: Settings, connection: psycopg.Connection) -> Clock:
    """The clock that the settings ask for; `connection` is kept by a simulated one, and must be in autocommit."""
    return SimulatedClock(connection) if settings.clock == "simulated" else SystemClock()
