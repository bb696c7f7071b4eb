"""How far the acknowledged events have come: taken by the door, counted by the ledger, told to Stripe."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

import psycopg

from tally.errors import DatabaseUnavailable
from tests.chaos.cast import TENANT, Event
from tests.chaos.outcome import Recovery
from tests.chaos.stage import Stage

LOOK_SECONDS = 0.5

_COUNTED = """
select idempotency_key from ledger.int_usage_events_deduplicated
where tenant_id = %s and outcome = 'counted' and idempotency_key = any(%s)
"""
# Both only grow, so their sums say how far the pushes have come.
_TOLD = """
select
    coalesce(sum(value) filter (where metric = 'jobs'), 0),
    coalesce(sum(value) filter (where metric = 'api_calls'), 0)
from tally.push_intents where tenant_id = %s and state = 'confirmed'
"""
_SETTLED = """
select not exists (
    select from marts.usage_counters as counter
    full join tally.push_ledger as told using (tenant_id, customer_ref, metric, period_start)
    where tenant_id = %(tenant)s
      and (counter.value is distinct from told.confirmed_quantity or told.in_flight_quantity <> 0)
)
"""


class Flow:
    """Watches one stage; remembers which keys it has seen counted."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._counted: set[str] = set()

    def recovery(self, of: datetime, patience: float, on_look: Callable[[], None] = lambda: None) -> Recovery:
        """Wait, `patience` seconds at most, until all that was first sent before `of` has come through.

        `on_look` is called at each look.
        """
        began = time.monotonic()
        taken: float | None = None
        counted: float | None = None
        while True:
            on_look()
            self._stage.book.read()
            passed = time.monotonic() - began
            if taken is None and not self._stage.book.outstanding(of):
                taken = passed
            events = self._stage.book.events(of)
            with suppress(psycopg.Error, DatabaseUnavailable):
                missing = self._missing(events)
                if taken is not None and not missing:
                    counted = passed if counted is None else counted
                    if self._is_told(events):
                        return Recovery(taken, counted, passed, 0)
            if passed > patience:
                return Recovery(taken, counted, None, len({event.key for event in events} - self._counted))
            time.sleep(LOOK_SECONDS)

    def until_flowing(self, patience: float) -> None:
        """Wait until a first request was taken, counted and told; models and the first runs take their time.

        Raises:
            TimeoutError: none was.
        """
        deadline = time.monotonic() + patience
        while not self._stage.book.acknowledged and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
            self._stage.book.read()
        if not self._stage.book.acknowledged or not self.recovery(datetime.now(UTC), patience).is_whole:
            raise TimeoutError(f"nothing was counted and sent within {patience:.0f} s of the load's start")

    def is_settled(self) -> bool:
        """Whether Stripe was told every counter's value, and no delta is under way."""
        with suppress(psycopg.Error, DatabaseUnavailable), self._stage.connect() as connection:
            return connection.execute(_SETTLED, {"tenant": TENANT}).fetchone() == (True,)
        return False

    def _missing(self, events: list[Event]) -> bool:
        unseen = [event.key for event in events if event.key not in self._counted]
        if unseen:
            with self._stage.connect() as connection:
                self._counted |= {key for (key,) in connection.execute(_COUNTED, (TENANT, unseen))}
        return any(key not in self._counted for key in unseen)

    def _is_told(self, events: list[Event]) -> bool:
        with self._stage.connect() as connection:
            row = connection.execute(_TOLD, (TENANT,)).fetchone()
        assert row is not None
        jobs = sum(event.metric == "jobs" for event in events)
        calls = sum((event.quantity for event in events if event.metric == "api_calls"), Decimal(0))
        told: bool = row[0] >= jobs and row[1] >= calls
        return told
