"""What a contract test talks to: the local Stripe, or a Stripe sandbox, where all that is made bears its run's name."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import uuid4

import stripe
from sandbox_shop import Shop

MINUTE, HOUR, DAY = 60, 3600, 86400
Made = Literal["test_clock", "customer", "price", "product", "meter"]


class PacedRequests(stripe.RequestsClient):
    """Stays under a Stripe sandbox's 25 calls a second, and still lets ten go out at once."""

    MOST_A_SECOND = 15

    def __init__(self) -> None:
        super().__init__(timeout=30)
        self._lock, self._sent = threading.Lock(), deque([0.0], maxlen=self.MOST_A_SECOND)

    def request(self, *given: Any, **more: Any) -> Any:
        with self._lock:
            time.sleep(max(0.0, self._sent[0] + 1 - time.monotonic()) if len(self._sent) == self.MOST_A_SECOND else 0)
            self._sent.append(time.monotonic())
        return super().request(*given, **more)


@dataclass
class Target:
    """`shop` is there for the local Stripe only: it has the knobs and the scripted failures."""

    client: stripe.StripeClient
    shop: Shop | None = None
    patience: float = 5
    run: str = field(default_factory=lambda: f"tally_contract_{uuid4().hex[:10]}")
    made: list[tuple[Made, str]] = field(default_factory=list)

    def meter(self, name: str = "units", formula: Any = "sum", **extra: Any) -> stripe.billing.Meter:
        event_name = f"{self.run}_{name}"
        parameters: Any = {"display_name": event_name, "event_name": event_name, **extra}
        meter = self.client.v1.billing.meters.create({**parameters, "default_aggregation": {"formula": formula}})
        self.made.append(("meter", meter.id))
        return meter

    def clock(self, at: int) -> str:
        clock = self.client.v1.test_helpers.test_clocks.create({"frozen_time": at, "name": self.run})
        self.made.append(("test_clock", clock.id))
        return clock.id

    def customer(self, clock: str | None = None) -> str:
        on_clock: Any = {"test_clock": clock} if clock else {}
        customer = self.client.v1.customers.create({"name": self.run, **on_clock})
        self.made.append(("customer", customer.id))
        return customer.id

    def price(self, meter: stripe.billing.Meter, **terms: Any) -> stripe.Price:
        recurring: Any = {"interval": "month", "usage_type": "metered", "meter": meter.id}
        product: Any = {"name": self.run}
        price = self.client.v1.prices.create(
            {"currency": "usd", "product_data": product, "recurring": recurring, **terms}
        )
        self.made += [("price", price.id), ("product", str(price.product))]
        return price

    def send(
        self,
        event_name: str,
        customer: str,
        value: str = "1",
        *,
        identifier: str | None = None,
        at: int | None = None,
        key: str | None = None,
    ) -> stripe.billing.MeterEvent:
        given: Any = {"identifier": identifier, "timestamp": at}
        parameters: Any = {name: each for name, each in given.items() if each is not None}
        parameters |= {"event_name": event_name, "payload": {"stripe_customer_id": customer, "value": value}}
        return self.client.v1.billing.meter_events.create(parameters, {"idempotency_key": key} if key else {})

    def refusal(self, call: Callable[[], Any]) -> stripe.StripeError | None:
        """How a call was refused; None if it was taken."""
        try:
            call()
        except stripe.StripeError as error:
            return error
        return None

    def totals(self, meter: stripe.billing.Meter, customer: str, start: int, end: int) -> list[float]:
        """The values of the summary rows over a window of whole minutes."""
        window: Any = {"customer": customer, "start_time": start, "end_time": end}
        return [row.aggregated_value for row in self.client.v1.billing.meters.event_summaries.list(meter.id, window)]

    def eventually(self, condition: Callable[[], Any]) -> Any:
        """The condition's first true value; Stripe itself is given minutes."""
        deadline = time.monotonic() + self.patience
        while not (value := condition()):
            assert time.monotonic() < deadline, f"it did not come true within {self.patience:g} seconds"
            time.sleep(0.01 if self.shop else 2)
        return value

    def clean_up(self) -> None:
        """Delete what can be deleted, and put out of use what cannot: meters, prices and products.

        Raises:
            AssertionError: naming what could not be, after all else was.
        """
        v1 = self.client.v1
        ways: dict[Made, Callable[[str], Any]] = {
            "test_clock": v1.test_helpers.test_clocks.delete,
            "customer": v1.customers.delete,
            "price": lambda price: v1.prices.update(price, {"active": False}),
            "product": lambda product: v1.products.update(product, {"active": False}),
            "meter": v1.billing.meters.deactivate,
        }
        left = []
        for kind, each in sorted(self.made, key=lambda made: list(ways).index(made[0])):
            try:
                ways[kind](each)
            except stripe.InvalidRequestError as error:
                if error.http_status != 404:  # a customer goes with its clock
                    left.append(f"{kind} {each}: {error}")
            except stripe.StripeError as error:
                left.append(f"{kind} {each}: {error}")
        assert not left, f"left behind by {self.run}: {'; '.join(left)}"


def now_minute() -> int:
    """The minute that runs, as unix time."""
    return int(time.time()) // MINUTE * MINUTE
