"""A tenant with a subscribed customer in March 2024, and a door, a ledger and pushes with the settings of a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from threading import Thread
from time import monotonic, sleep
from typing import Any

import httpx
import psycopg
from stripe_side import StripeSide

from ingest.server import DoorServer, configuration
from tally.api_keys import create_key
from tally.clock import clock_for
from tally.database import database_url
from tally.ledger import Ledger
from tally.push import DeliveryResult, push
from tally.settings import Settings
from tally.stripe.sync import sync_subscriptions
from tally.tracing import ledger_of

TENANT = "acme"
CUSTOMER = "globex-of-nowhere"
METRIC = "api_calls"
START = datetime(2024, 3, 1, 8, 30, 15, tzinfo=UTC)
NOW = datetime(2024, 3, 20, 12, 0, 0, tzinfo=UTC)


@dataclass
class Stack:
    """Real parts around one database."""

    connection: psycopg.Connection[Any]
    stripe: StripeSide
    settings: Settings
    key: str

    @property
    def url(self) -> str:
        return database_url(self.settings)

    @cached_property
    def ledger(self) -> Ledger:
        return ledger_of(self.settings)

    @contextmanager
    def door(self) -> Iterator[httpx.Client]:
        """Run a door in this process; gives a client with the tenant's key."""
        server = DoorServer(configuration(self.settings, self.url))
        thread = Thread(target=server.run)
        thread.start()
        until = monotonic() + 20
        while not server.started and thread.is_alive() and monotonic() < until:
            sleep(0.01)
        assert server.started
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        try:
            with httpx.Client(base_url=url, headers={"authorization": f"Bearer {self.key}"}, timeout=20) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()

    def tick(self) -> None:
        self.ledger.tick()

    def push(self) -> DeliveryResult:
        return push(self.settings, self.stripe.account, TENANT, clock_for(self.settings, self.connection))[1]

    def count(self, table: str) -> int:
        row = self.connection.execute(f"select count(*) from {table}").fetchone()
        assert row is not None
        return int(row[0])


def usage(key: str) -> dict[str, Any]:
    """An event of a moment ago."""
    return {
        "idempotency_key": key,
        "customer_ref": CUSTOMER,
        "metric": METRIC,
        "quantity": 1,
        "event_time": NOW.isoformat(),
    }


def declare(connection: psycopg.Connection[Any], stripe: StripeSide, settings: Settings) -> Stack:
    """The tenant, its meter and mapping, its customer at Stripe, and the time; nothing landed yet."""
    connection.execute("insert into tally.tenants (tenant_id, name) values (%s, 'Acme')", (TENANT,))
    connection.execute(
        "insert into tally.meters (tenant_id, metric, aggregation) values (%s, %s, 'sum')", (TENANT, METRIC)
    )
    connection.execute(
        "insert into tally.price_mappings (tenant_id, metric, event_name) values (%s, %s, %s)", (TENANT, METRIC, METRIC)
    )
    connection.execute("insert into tally.simulated_clock (now) values (%s)", (NOW,))
    test_clock = stripe.test_clock(START)
    stripe.meter(METRIC)
    stripe.subscribe(stripe.customer(CUSTOMER, test_clock), METRIC)
    stripe.advance(test_clock, NOW)
    sync_subscriptions(connection, stripe.account, TENANT, clock_for(settings, connection))
    return Stack(connection, stripe, settings, create_key(connection, TENANT, "traced"))
