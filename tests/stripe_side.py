"""The Stripe side of a test: a local Stripe over HTTP, set up through the real SDK; its oracle and its failures."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import stripe

from stripe_sandbox.server import SandboxServer
from tally.settings import Settings
from tally.stripe.account import StripeAccount, open_account

TEST_KEY = "sk_test_" + "tally0000000000000000000"


@dataclass
class StripeSide:
    """One local Stripe and the account of a test key in it."""

    url: str
    account: StripeAccount
    control: httpx.Client
    prices: dict[str, str] = field(default_factory=dict)
    meters: dict[str, str] = field(default_factory=dict)

    @property
    def client(self) -> stripe.StripeClient:
        return self.account.client

    def settings(self, database_url: str, home: Path, **changes: Any) -> Settings:
        """Settings that lead here."""
        given = {
            "DATABASE_URL": database_url,
            "TALLY_HOME": home,
            "STRIPE_API_KEY": TEST_KEY,
            "STRIPE_API_BASE": self.url,
            "TALLY_STRIPE_TIMEOUT_SECONDS": 2,
        }
        return Settings.model_validate(given | changes)

    def test_clock(self, frozen: datetime) -> str:
        return self.client.v1.test_helpers.test_clocks.create({"frozen_time": int(frozen.timestamp())}).id

    def advance(self, clock: str, to: datetime) -> None:
        """Move a test clock and wait until Stripe has done everything that falls due."""
        self.client.v1.test_helpers.test_clocks.advance(clock, {"frozen_time": int(to.timestamp())})
        while self.client.v1.test_helpers.test_clocks.retrieve(clock).status == "advancing":
            time.sleep(0.02)

    def meter(self, event_name: str, formula: Any = "sum", **more: Any) -> str:
        """A meter and a price of 10 cents a unit for it; returns the meter's id."""
        parameters: Any = {"display_name": event_name, "event_name": event_name, **more}
        parameters["default_aggregation"] = {"formula": formula}
        meter = self.client.v1.billing.meters.create(parameters)
        self.meters[event_name] = meter.id
        self.prices[event_name] = self.price(event_name, unit_amount=10)
        return meter.id

    def price(self, event_name: str, **terms: Any) -> str:
        """A monthly price of these terms for a meter that was made; returns its id."""
        parameters: Any = {
            "currency": "usd",
            "product_data": {"name": event_name},
            "recurring": {"interval": "month", "usage_type": "metered", "meter": self.meters[event_name]},
            **terms,
        }
        return self.client.v1.prices.create(parameters).id

    def customer(self, ref: str | None, clock: str | None) -> str:
        parameters: dict[str, Any] = {"metadata": {"customer_ref": ref} if ref else {}}
        if clock:
            parameters["test_clock"] = clock
        return self.client.v1.customers.create(parameters).id  # type: ignore[arg-type]

    def subscribe(self, customer: str, *event_names: str, **more: Any) -> stripe.Subscription:
        items = [{"price": self.prices[name]} for name in event_names]
        parameters: Any = {"customer": customer, "items": items, **more}
        return self.client.v1.subscriptions.create(parameters)

    def send(self, customer: str, event_name: str, value: str, at: datetime, identifier: str) -> None:
        """A meter event that the push ledger knows nothing of."""
        self.client.v1.billing.meter_events.create(
            {
                "event_name": event_name,
                "identifier": identifier,
                "timestamp": int(at.timestamp()),
                "payload": {"stripe_customer_id": customer, "value": value},
            }
        )

    def change(self, **knobs: Any) -> None:
        """Change the local Stripe's knobs."""
        self.control.post("/_sandbox/settings", json=knobs).raise_for_status()

    def fail(self, kind: str, **script: Any) -> None:
        """Script a failure of the next meter event, or as `script` says."""
        wanted = {"kind": kind, "method": "POST", "path": "/v1/billing/meter_events", **script}
        self.control.post("/_sandbox/failures", json=wanted).raise_for_status()

    def heal(self) -> None:
        self.control.delete("/_sandbox/failures").raise_for_status()

    def arrivals(self) -> dict[str, int]:
        """How often each identifier was counted."""
        events = self.control.get("/_sandbox/oracle/meter_events").raise_for_status().json()["data"]
        return {event["identifier"]: event["applied_count"] for event in events}

    def keys_sent(self, identifier: str) -> list[str]:
        """The Idempotency-Keys under which an identifier arrived, in order."""
        events = self.control.get("/_sandbox/oracle/meter_events", params={"identifier": identifier}).json()["data"]
        return [arrival["idempotency_key"] for event in events for arrival in event["arrivals"]]

    def applied(self) -> dict[tuple[str, str], Decimal]:
        """What is counted, exactly, by Stripe customer and event name; waits until everything accepted is applied."""
        self.until_applied()
        totals = self.control.get("/_sandbox/oracle/totals").raise_for_status().json()["data"]
        return {(total["customer"], total["event_name"]): Decimal(total["sum"]) for total in totals}

    def until_applied(self) -> None:
        """Wait until no accepted event is pending."""
        while any(
            arrival["outcome"] == "pending"
            for event in self.control.get("/_sandbox/oracle/meter_events").raise_for_status().json()["data"]
            for arrival in event["arrivals"]
        ):
            time.sleep(0.01)


@contextmanager
def local_stripe(tmp_path: Path, wrap: Callable[[Any], Any] = lambda app: app) -> Iterator[StripeSide]:
    """A local Stripe of its own, and the account that leads to it; `wrap` puts something in between."""
    with SandboxServer(wrap=wrap, settings={"apply_lag_seconds": 0.0}) as server:
        given = {"STRIPE_API_KEY": TEST_KEY, "STRIPE_API_BASE": server.url, "TALLY_STRIPE_TIMEOUT_SECONDS": 2}
        account = open_account(Settings.model_validate(given | {"TALLY_HOME": tmp_path}))
        with httpx.Client(base_url=server.url) as control:
            try:
                yield StripeSide(server.url, account, control)
            finally:
                account.close()
