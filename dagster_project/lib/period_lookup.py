"""Before a tick dates a customer's first billed events, Stripe is asked for its billing periods. No Dagster in here."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import stripe

from tally.errors import TallyError

log = logging.getLogger("tally.loop")

# How long everybody's counters wait for Stripe's answer about somebody; reading 1,000 subscriptions takes about 3 s.
WAIT_SECONDS = 20.0
# A customer that Stripe did not know is asked for again after this long, should it have subscribed meanwhile.
ASK_AGAIN_SECONDS = 300.0
# A sync is followed by a rest this many times as long: a stream of strangers keeps Stripe busy a fourth of the time.
RESTS = 3

_UNKNOWN = """
select distinct event.tenant_id, event.customer_ref
from raw.usage_events as event
inner join tally.price_mappings as mapping
    on event.tenant_id = mapping.tenant_id and event.metric = mapping.metric and mapping.active
where event.xid >= coalesce((select min(read_to) from tally.model_bounds), '0')
  and event.xid < pg_snapshot_xmin(pg_current_snapshot())
  and not exists (
      select from tally.customer_periods as period
      where period.tenant_id = event.tenant_id and period.customer_ref = event.customer_ref
        and period.period_start <= event.event_time and period.period_end > event.event_time
  )
"""

Customer = tuple[str, str]


class PeriodLookup:
    """Asks Stripe once for each unknown customer, and lets the tick wait for the answer, but not for ever."""

    def __init__(self, sync: Callable[[], None], stop: threading.Event, wait_seconds: float = WAIT_SECONDS) -> None:
        """`sync` mirrors Stripe's subscriptions; it runs in a thread of its own."""
        self._sync = sync
        self._stop = stop
        self._wait_seconds = wait_seconds
        self._asked: dict[Customer, float] = {}
        self._thread: threading.Thread | None = None
        self._rest_until = 0.0

    def before_tick(self, connection: psycopg.Connection[Any]) -> None:
        """Return when every waiting billed event can be dated by its customer's period, or asking did not help."""
        now = time.monotonic()
        self._asked = {customer: at for customer, at in self._asked.items() if now - at < ASK_AGAIN_SECONDS}
        unknown = unknown_customers(connection)
        if unknown <= self._asked.keys():
            return
        self._asked |= dict.fromkeys(unknown, now)
        log.info("%d billed customers without a known period, asking Stripe first: %s", len(unknown), _some(unknown))
        until = now + self._wait_seconds
        # A sync under way may have passed over them, so they need the one after it.
        if self._is_free(until):
            self._thread = threading.Thread(target=self._ask, name="period lookup", daemon=True)
            self._thread.start()
            while self._thread.is_alive() and not self._stop.is_set() and time.monotonic() < until:
                self._thread.join(0.1)
        if not self._stop.is_set() and (still := unknown_customers(connection)):
            log.warning(
                "Stripe knows no period of %d billed customers, or has not answered within %g s. Their waiting events "
                "are dated by the calendar; once a sync has found one, `tally replay` re-dates them: %s",
                len(still),
                self._wait_seconds,
                _some(still),
            )

    def _is_free(self, until: float) -> bool:
        """Wait for the sync under way and the rest after it; False when that takes too long."""
        while (self._thread is not None and self._thread.is_alive()) or time.monotonic() < self._rest_until:
            if time.monotonic() > until or self._stop.wait(0.1):
                return False
        return True

    def _ask(self) -> None:
        began = time.monotonic()
        try:
            self._sync()
        except (stripe.StripeError, psycopg.Error, TallyError) as error:
            log.warning("Stripe's subscriptions could not be read: %s", error)
        ended = time.monotonic()
        self._rest_until = ended + RESTS * (ended - began)


def unknown_customers(connection: psycopg.Connection[Any]) -> set[Customer]:
    """(tenant, customer) of every waiting billed event whose customer has no period at that time."""
    return set(connection.execute(_UNKNOWN).fetchall())


def _some(customers: set[Customer]) -> str:
    shown = ", ".join(f"{tenant}/{customer}" for tenant, customer in sorted(customers)[:5])
    return f"{shown}, …" if len(customers) > 5 else shown
