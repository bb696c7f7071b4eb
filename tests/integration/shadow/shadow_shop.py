"""What a shadow test works with: one tenant, two accounts of one local Stripe, and the command line over both."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
from counter_rows import put_counter
from stripe_side import StripeSide
from typer.testing import CliRunner, Result

from tally.cli.app import app
from tally.configuration import Configuration
from tally.settings import Settings

TENANT = "acme"
START = datetime(2024, 3, 1, 8, 30, 15, tzinfo=UTC)
NOW = datetime(2024, 3, 20, 12, tzinfo=UTC)
LIVE_KEY = "sk" + "_live_" + "company"
SHADOW_KEY = "rk" + "_test_" + "shadow"
CUSTOMERS = ("globex", "initech")


def configuration(shadow: bool = True) -> Configuration:
    """One metric, `calls` in the live account and `calls_shadow` in the other."""
    mapping: dict[str, Any] = {"event_name": "calls"} | ({"shadow": {"event_name": "calls_shadow"}} if shadow else {})
    meter = {"metric": "api_calls", "aggregation": "sum", "stripe": mapping}
    return Configuration.model_validate({"tenants": [{"id": TENANT, "name": "Acme", "meters": [meter]}]})


@dataclass
class ShadowShop:
    connection: psycopg.Connection[Any]
    settings: Settings
    live: StripeSide
    shadow: StripeSide
    customers: dict[tuple[str, str], str] = field(default_factory=dict)

    def open(self) -> None:
        """Meters, customers and subscriptions in both accounts; the shadow's begin a day later: its periods differ."""
        for side, event_name in ((self.live, "calls"), (self.shadow, "calls_shadow")):
            side.meter(event_name)
            for ref in CUSTOMERS:
                customer = side.customer(ref, None)
                side.subscribe(customer, event_name)
                self.customers[side.account.account, ref] = customer
            self.shift(timedelta(days=1))
        self.shift(NOW - START - timedelta(days=2))
        self.connection.execute("insert into tally.simulated_clock (now) values (%s)", (NOW,))

    def shift(self, by: timedelta) -> None:
        """Stripe's time goes on."""
        offset = self.live.control.get("/_sandbox/settings").json()["clock_offset_seconds"]
        self.live.change(clock_offset_seconds=offset + by.total_seconds())

    def tally(self, *arguments: str) -> Result:
        """Run a command as a person would, on a terminal wide enough for its tables."""
        return CliRunner().invoke(app, list(arguments))

    def document(self, *arguments: str) -> Any:
        return json.loads(self.tally(*arguments, "--json").stdout)

    def count(self, customer_ref: str, value: str) -> None:
        """Set the customer's counter of the running period, as the ledger would have computed it."""
        period = self.connection.execute(
            "select period_start, period_end from tally.customer_periods"
            " where tenant_id = %s and customer_ref = %s and period_start <= %s and period_end > %s",
            (TENANT, customer_ref, NOW, NOW),
        ).fetchone()
        assert period is not None
        put_counter(self.connection, TENANT, customer_ref, "api_calls", value, period, NOW - timedelta(hours=1))

    def applied(self, side: StripeSide) -> dict[str, Decimal]:
        """By customer_ref, what an account has counted in all, by the oracle."""
        mode = "live" if side.account.livemode else "test"
        totals = side.control.get("/_sandbox/oracle/totals", params={"namespace": mode}).json()["data"]
        by_customer = {total["customer"]: Decimal(total["sum"]) for total in totals}
        refs = {
            stripe_id: ref for (account, ref), stripe_id in self.customers.items() if account == side.account.account
        }
        return {refs[stripe_id]: value for stripe_id, value in by_customer.items()}
