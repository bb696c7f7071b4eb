"""The local Stripe of a chaos day: its subscribers, made with the real SDK, its failures and its oracle."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import stripe

from tally.settings import Settings
from tally.stripe.account import open_account
from tests.chaos.cast import CUSTOMERS, METRICS, Counter

METER_EVENTS = "/v1/billing/meter_events"


@dataclass(frozen=True)
class StripeSide:
    """`customers` maps a customer's reference to Stripe's id."""

    control: httpx.Client
    customers: Mapping[str, str]

    def hold_answers(self, kind: str, seconds: float, calls: int) -> None:
        """Script the next meter events: `delay_answer` carries them out and answers late, `delay` waits before."""
        script = {"kind": kind, "method": "POST", "path": METER_EVENTS, "delay_seconds": seconds, "count": calls}
        self.control.post("/_sandbox/failures", json=script).raise_for_status()

    def is_holding(self) -> bool:
        """Whether a call waits for its scripted answer, or did."""
        listed = self.control.get("/_sandbox/failures").raise_for_status().json()["data"]
        return any(failure["fired"] for failure in listed)

    def heal(self) -> None:
        """Answer everybody as usual."""
        self.control.delete("/_sandbox/failures").raise_for_status()

    def arrivals(self) -> dict[str, int]:
        """How often each identifier was counted."""
        events = self.control.get("/_sandbox/oracle/meter_events").raise_for_status().json()["data"]
        return {event["identifier"]: event["applied_count"] for event in events}

    def totals(self) -> dict[Counter, Decimal]:
        """What was counted, exactly."""
        references = {stripe_id: reference for reference, stripe_id in self.customers.items()}
        totals = self.control.get("/_sandbox/oracle/totals").raise_for_status().json()["data"]
        return {(references[each["customer"]], each["event_name"]): Decimal(each["sum"]) for each in totals}


def create_stripe_side(settings: Settings) -> StripeSide:
    """Meters, prices and customers who subscribe to all of them as of now, in a Stripe that has none."""
    account = open_account(settings)
    client = account.client
    try:
        items = [{"price": _price(client, metric)} for metric in METRICS]
        customers = {reference: _subscribed(client, reference, items) for reference in CUSTOMERS}
    finally:
        account.close()
    return StripeSide(httpx.Client(base_url=str(settings.stripe_api_base), timeout=10, trust_env=False), customers)


def _price(client: stripe.StripeClient, metric: str) -> str:
    meter = client.v1.billing.meters.create(
        {"display_name": metric, "event_name": metric, "default_aggregation": {"formula": "sum"}}
    )
    return client.v1.prices.create(
        {
            "currency": "usd",
            "unit_amount": 10,
            "product_data": {"name": metric},
            "recurring": {"interval": "month", "usage_type": "metered", "meter": meter.id},
        }
    ).id


def _subscribed(client: stripe.StripeClient, reference: str, items: list[Any]) -> str:
    customer = client.v1.customers.create({"metadata": {"customer_ref": reference}})
    client.v1.subscriptions.create(
        {"customer": customer.id, "items": items, "collection_method": "send_invoice", "days_until_due": 30}
    )
    return customer.id
