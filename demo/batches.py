"""Deliveries as request bodies: a few lanes that are posted side by side, each in order."""

from collections.abc import Iterable, Iterator

import msgspec
import polars as pl

LANES = 4
BATCH_EVENTS = 1000


class UsageEvent(msgspec.Struct, frozen=True, gc=False):
    """One event as the door takes it; `quantity` is an exact decimal, `event_time` RFC 3339 in UTC."""

    idempotency_key: str
    customer_ref: str
    metric: str
    quantity: str
    event_time: str
    properties: msgspec.Raw


class Batch(msgspec.Struct, frozen=True):
    """A request body and how many events are in it."""

    body: bytes
    events: int


_encoder = msgspec.json.Encoder()


def lanes(deliveries: pl.DataFrame, count: int = LANES, size: int = BATCH_EVENTS) -> list[list[Batch]]:
    """Deal the customers out to `count` lanes of like size; each lane keeps the deliveries' order.

    A customer's deliveries share a lane, so a repeat never overtakes its first delivery. Nor do they share a request:
    the door may answer the second of two equal events in one request without landing it, and no app retries like that.
    """
    busiest_first = deliveries["customer_ref"].value_counts(sort=True).sort("count", "customer_ref", descending=True)
    loads: list[tuple[int, list[str]]] = [(0, []) for _ in range(count)]
    for customer, events in busiest_first.iter_rows():
        lightest = min(range(count), key=lambda lane: loads[lane][0])
        load, customers = loads[lightest]
        loads[lightest] = (load + events, [*customers, customer])
    return [
        [Batch(_encoder.encode({"events": batch}), len(batch)) for batch in _batches(_events(mine), size)]
        for _, customers in loads
        if (mine := deliveries.filter(pl.col("customer_ref").is_in(customers))).height
    ]


def _events(deliveries: pl.DataFrame) -> Iterator[UsageEvent]:
    rows = deliveries.select(
        "idempotency_key",
        "customer_ref",
        "metric",
        pl.col("quantity").cast(pl.String),
        pl.col("event_time").dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ"),
        "properties",
    )
    for key, customer, metric, quantity, event_time, properties in rows.iter_rows():
        yield UsageEvent(key, customer, metric, quantity, event_time, msgspec.Raw(properties.encode()))


def _batches(events: Iterable[UsageEvent], size: int) -> Iterator[list[UsageEvent]]:
    """Batches of up to `size` events, all of different keys: an event whose key is in the batch waits for the next."""
    batch: dict[str, UsageEvent] = {}
    waiting: list[UsageEvent] = []
    for event in events:
        if len(batch) == size:
            yield list(batch.values())
            batch, waiting = _begun(waiting, size)
        if event.idempotency_key in batch or len(batch) == size:
            waiting.append(event)
        else:
            batch[event.idempotency_key] = event
    while batch:
        yield list(batch.values())
        batch, waiting = _begun(waiting, size)


def _begun(waiting: list[UsageEvent], size: int) -> tuple[dict[str, UsageEvent], list[UsageEvent]]:
    batch: dict[str, UsageEvent] = {}
    left = []
    for event in waiting:
        if event.idempotency_key in batch or len(batch) == size:
            left.append(event)
        else:
            batch[event.idempotency_key] = event
    return batch, left
