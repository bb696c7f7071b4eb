"""Throughput and latency as the number of clients grows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from tests.benchmarks.ingest.plan import Stream
from tests.benchmarks.ingest.stage import Door

LOADS = {"single events": (1, (1, 4, 16, 50, 100, 200, 400)), "batches of 1,000": (1000, (1, 2, 4, 10, 20))}


@dataclass(frozen=True)
class Point:
    """One load: events/s, and the latencies of its requests in milliseconds."""

    clients: int
    rate: float
    p50: float
    p99: float


def measure_curves(door: Door, seconds: float, console: Console) -> Mapping[str, Sequence[Point]]:
    """One run a point."""
    curves: dict[str, list[Point]] = {}
    table = Table("load", "clients", "events/s", "p50 ms", "p99 ms", title="throughput and latency against concurrency")
    for name, (events, steps) in LOADS.items():
        for clients in steps:
            door.empty()
            outcome = door.load(seconds, Stream(clients, events))
            latency = outcome.overall
            point = Point(clients, outcome.events_per_second, latency.p50 * 1e3, latency.p99 * 1e3)
            curves.setdefault(name, []).append(point)
            table.add_row(name, f"{clients}", f"{point.rate:,.0f}", f"{point.p50:.2f}", f"{point.p99:.2f}")
    console.print(table)
    return curves
