"""What the tests see the sandbox through: the SDK, the control endpoints, and words for what they need often."""

import time
from dataclasses import dataclass, field
from typing import Any, Self

import requests
import stripe

JANUARY = 1357016400  # 2013-01-01T05:00:00Z, a boundary that is no UTC midnight
FEBRUARY = 1359694800
MARCH = 1362114000
HOUR = 3600

stripe.enable_telemetry = False


@dataclass
class Shop:
    """A sandbox seen by a seller: the SDK, the control endpoints, and short words for what tests need often."""

    url: str
    _http: stripe.RequestsClient = field(default_factory=lambda: stripe.RequestsClient(timeout=5))
    _control: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.stripe = self.client()
        self.v1 = self.stripe.v1

    def client(self, key: str = "sk_test_shop", **options: Any) -> stripe.StripeClient:
        options = {"max_network_retries": 0, "http_client": self._http, **options}
        return stripe.StripeClient(key, base_addresses={"api": self.url}, **options)

    def control(self, method: str, path: str, body: Any = None, expected: int = 200, **query: Any) -> Any:
        answer = self._control.request(method, f"{self.url}/_sandbox/{path}", json=body, params=query, timeout=5)
        assert answer.status_code == expected, answer.text
        return answer.json()

    def page(self, **query: Any) -> str:
        """The page for people, as it leaves the server."""
        return self._control.get(f"{self.url}/_sandbox", params=query, timeout=5).text

    def settings(self, **changes: Any) -> None:
        self.control("POST", "settings", changes)

    def fail(self, kind: str, **fields: Any) -> None:
        self.control("POST", "failures", {"kind": kind, **fields})

    def ledger(self, **filters: Any) -> list[Any]:
        rows: list[Any] = self.control("GET", "oracle/meter_events", **filters)["data"]
        return rows

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        """Connections belong to the thread that opened them: another thread takes a shop of its own."""
        self._http.close()
        self._control.close()

    def meter(self, event_name: str = "api_calls", formula: str = "sum", **extra: Any) -> stripe.billing.Meter:
        default_aggregation: Any = {"formula": formula}
        return self.v1.billing.meters.create(
            {"display_name": event_name, "event_name": event_name, "default_aggregation": default_aggregation, **extra}
        )

    def metered_price(self, meter: stripe.billing.Meter, interval: Any = "month", **terms: Any) -> stripe.Price:
        terms = terms or {"unit_amount_decimal": "0.5"}
        return self.v1.prices.create(
            {
                "currency": "usd",
                "product_data": {"name": meter.event_name},
                "recurring": {"interval": interval, "usage_type": "metered", "meter": meter.id},
                **terms,
            }
        )

    def clock(self, at: int = JANUARY) -> stripe.test_helpers.TestClock:
        return self.v1.test_helpers.test_clocks.create({"frozen_time": at})

    def customer(self, clock: stripe.test_helpers.TestClock | None = None) -> stripe.Customer:
        return self.v1.customers.create({"name": "UA", **({"test_clock": clock.id} if clock else {})})

    def subscribe(self, customer: stripe.Customer, *prices: stripe.Price, **extra: Any) -> stripe.Subscription:
        params: Any = {"customer": customer.id, "items": [{"price": price.id} for price in prices]}
        return self.v1.subscriptions.create({**params, **extra})

    def use(self, customer: Any, value: str, at: int | None = None, event_name: str = "api_calls", **extra: Any) -> Any:
        params: Any = {"event_name": event_name, **extra}
        params["payload"] = {"stripe_customer_id": getattr(customer, "id", customer), "value": value}
        if at is not None:
            params["timestamp"] = at
        return self.v1.billing.meter_events.create(params)

    def summary(self, meter: Any, customer: Any, start: int = JANUARY - 300, end: int = FEBRUARY, **extra: Any) -> Any:
        window: Any = {"customer": customer.id, "start_time": start, "end_time": end, **extra}
        return self.v1.billing.meters.event_summaries.list(meter.id, window)

    def advance(self, clock: stripe.test_helpers.TestClock, to: int) -> None:
        self.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": to})
        eventually(lambda: self.v1.test_helpers.test_clocks.retrieve(clock.id).status == "ready")

    def invoices(self, customer: stripe.Customer, **filters: Any) -> list[stripe.Invoice]:
        return self.v1.invoices.list({"customer": customer.id, **filters}).data


def eventually(condition: Any, within: float = 5) -> Any:
    """The condition's first true value."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)
    return value
