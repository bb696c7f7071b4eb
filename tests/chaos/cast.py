"""Who plays: one tenant, a few customers, and metrics of the kinds that show a lost, doubled or swapped event."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

TENANT = "acme"
CUSTOMERS = ("globex", "hooli", "initech", "stark", "umbrella", "wayne")
# A count shows a lost or doubled event, a sum a wrong quantity, a max a delta that was sent in the wrong order.
METRICS = {"api_calls": "sum", "jobs": "count", "peak_seats": "max"}
CONFIGURATION = f"""
tenants:
  - id: {TENANT}
    name: Acme
    time_zone: UTC
    meters:
      - {{metric: api_calls, aggregation: {METRICS["api_calls"]}, unit: call, stripe: {{event_name: api_calls}}}}
      - {{metric: jobs, aggregation: {METRICS["jobs"]}, unit: job, stripe: {{event_name: jobs}}}}
      - {{metric: peak_seats, aggregation: {METRICS["peak_seats"]}, unit: seat, stripe: {{event_name: peak_seats}}}}
"""

Counter = tuple[str, str]  # customer, metric: a chaos day lies within one billing period


@dataclass(frozen=True)
class Event:
    """What was said to the door under `key`."""

    key: str
    customer: str
    metric: str
    quantity: Decimal

    @property
    def counter(self) -> Counter:
        return self.customer, self.metric


@dataclass(frozen=True)
class Request:
    """Events that are sent together, and again together until they are acknowledged."""

    number: int
    sent_at: datetime
    events: tuple[Event, ...]
