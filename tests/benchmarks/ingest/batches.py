"""Batches of 1,000 from 10 clients, against `psql` copying the same rows into the same table."""

from statistics import median
from time import perf_counter

from rich.console import Console

from tests.benchmarks.bars import Bar, at_least
from tests.benchmarks.ingest.bodies import PLACEHOLDER, copy_lines, request_id
from tests.benchmarks.ingest.plan import Stream
from tests.benchmarks.ingest.stage import Door

CLIENTS, EVENTS = 10, 1000
COPIED_BATCHES = 1000


def measure_batches(door: Door, repeats: int, seconds: float, console: Console) -> list[Bar]:
    """Alternate the two, each on an empty table; the ratio is of medians."""
    lines = door.folder / "lines"
    template = copy_lines(EVENTS)
    with lines.open("wb") as file:
        for number in range(COPIED_BATCHES):
            file.write(template.replace(PLACEHOLDER, request_id("ff", 0, number)))
    door.load(1.0, Stream(CLIENTS, EVENTS))  # warm: the door's code, Postgres' files
    door.empty()
    copied: list[float] = []
    landed: list[float] = []
    for _ in range(repeats):
        started = perf_counter()
        door.copy(lines)
        copied.append(COPIED_BATCHES * EVENTS / (perf_counter() - started))
        door.empty()
        outcome = door.load(seconds, Stream(CLIENTS, EVENTS))
        landed.append(outcome.events_per_second)
        door.empty()
        console.print(
            f"psql COPY {copied[-1]:,.0f} rows/s; the door {landed[-1]:,.0f} events/s, "
            f"p50 {outcome.overall.p50 * 1e3:.1f} ms, p99 {outcome.overall.p99 * 1e3:.1f} ms"
        )
    lines.unlink()
    console.print(f"medians: psql COPY {median(copied):,.0f} rows/s, the door {median(landed):,.0f} events/s")
    name = "batches of 1,000 from 10 clients, of psql COPY of the same rows"
    return [at_least(name, median(landed) / median(copied), "ratio", 0.60)]
