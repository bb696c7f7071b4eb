"""A door that the local Stripe sends its webhooks to over HTTP, signed with secrets that Stripe itself gave out."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
from push_billing import TENANT, Billing
from stripe_side import StripeSide
from structlog.testing import capture_logs

from ingest.server import DoorServer, configuration
from tally.settings import Settings
from tally.webhooks import HandleResult, handle

REPORTS = ["v1.billing.meter.error_report_triggered", "v1.billing.meter.no_meter_found"]


@dataclass
class WebhookSide:
    """What a test of webhooks works with beside the billing: who receives, and what was received."""

    billing: Billing

    @property
    def connection(self) -> psycopg.Connection[Any]:
        return self.billing.connection

    def received(self, type_: str) -> int:
        query = "select count(*) from tally.stripe_webhooks where starts_with(type, %s)"
        row = self.connection.execute(query, (type_,)).fetchone()
        assert row is not None
        return int(row[0])

    def handle(self) -> HandleResult:
        return handle(self.connection, self.billing.account, [TENANT], self.billing.clock)

    def handle_report(self) -> HandleResult:
        """Wait for the report of what Stripe dropped, and handle it."""
        self.billing.stripe.until_applied()
        self.billing.stripe.control.post("/_sandbox/catch_up").raise_for_status()
        reports = "select from tally.stripe_webhooks where state = 'received' and starts_with(type, 'v1.billing.meter')"
        until(lambda: bool(self.rows(reports)))
        return self.handle()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()


@contextmanager
def receiving_door(stripe: StripeSide, database_url: str, home: Path, port: int, *snapshots: Any) -> Iterator[None]:
    """A door on `port` to which both kinds of endpoint of this Stripe point; `snapshots` are types of events."""
    url = f"http://127.0.0.1:{port}/webhooks/stripe/self"
    snapshot = stripe.client.v1.webhook_endpoints.create(
        {"url": url, "enabled_events": list(snapshots) or ["charge.failed"]}
    )
    thin = stripe.client.v2.core.event_destinations.create(
        {
            "name": "reports",
            "type": "webhook_endpoint",
            "event_payload": "thin",
            "enabled_events": REPORTS,
            "webhook_endpoint": {"url": url},
            "include": ["webhook_endpoint.signing_secret"],
        }
    )
    assert thin.webhook_endpoint is not None
    secrets = f"self:test:{snapshot.secret} self:test:{thin.webhook_endpoint.signing_secret}"
    given = {"DATABASE_URL": database_url, "TALLY_HOME": home, "TALLY_DOOR_PORT": port}
    settings = Settings.model_validate(given | {"STRIPE_WEBHOOK_SECRETS": secrets})
    server = DoorServer(configuration(settings, database_url))
    thread = Thread(target=server.run)
    with capture_logs():  # else they mix with what a command prints
        thread.start()
        try:
            until(lambda: server.started)
            yield
        finally:
            server.should_exit = True
            thread.join(30)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)
