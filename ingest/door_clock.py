"""The door's view of the one clock: the machine's time, or the simulated one that the database holds."""

from datetime import UTC, datetime
from typing import Protocol

from ingest.link import DatabaseLost, Link
from tally.clock import Clock


class DoorClock(Protocol):
    """Answers the time without holding up the event loop."""

    async def now(self) -> datetime: ...

    def at_once(self) -> datetime | None:
        """The time when it can be had without asking anybody."""
        ...

    async def landed_at(self) -> datetime | None:
        """What the rows of a commit say they landed at; None leaves it to Postgres."""
        ...


class PlainClock:
    """Any `Clock` that answers at once; Postgres dates the rows."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def now(self) -> datetime:
        return self._clock.now()

    def at_once(self) -> datetime | None:
        return self._clock.now()

    async def landed_at(self) -> datetime | None:
        return None


class SharedClock:
    """The time in tally.simulated_clock, read anew each time: a demo or a test moves it while the door runs."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def now(self) -> datetime:
        rows = await self._link.fetch("select now from tally.simulated_clock")
        if not rows:
            raise DatabaseLost("nothing", "TALLY_CLOCK is simulated but tally.simulated_clock is empty")
        now: datetime = rows[0]["now"]
        return now.astimezone(UTC)

    def at_once(self) -> datetime | None:
        return None

    async def landed_at(self) -> datetime | None:
        return await self.now()
