"""Single events from 100 clients, against the empty answer of the same server at the same load."""

from statistics import median

from rich.console import Console

from tests.benchmarks.bars import Bar, at_least, at_most
from tests.benchmarks.ingest.plan import Stream
from tests.benchmarks.ingest.stage import Door

CLIENTS = 100


def measure_singles(door: Door, repeats: int, seconds: float, console: Console) -> list[Bar]:
    """Alternate the two; ratios are of medians."""
    door.load(1.0, Stream(CLIENTS, 1))
    empty, single = [], []
    for _ in range(repeats):
        empty.append(door.load(seconds, Stream(CLIENTS, 0)))
        single.append(door.load(seconds, Stream(CLIENTS, 1)))
        console.print(
            f"empty answers {empty[-1].requests_per_second:,.0f}/s, p99 {empty[-1].overall.p99 * 1e3:.1f} ms; "
            f"single events {single[-1].requests_per_second:,.0f}/s, p99 {single[-1].overall.p99 * 1e3:.1f} ms"
        )
    rates = [median(outcome.requests_per_second for outcome in outcomes) for outcomes in (empty, single)]
    p99s = [median(outcome.overall.p99 for outcome in outcomes) for outcomes in (empty, single)]
    console.print(
        f"medians: empty answers {rates[0]:,.0f}/s, p99 {p99s[0] * 1e3:.1f} ms; "
        f"single events {rates[1]:,.0f}/s, p99 {p99s[1] * 1e3:.1f} ms"
    )
    return [
        at_least("single events from 100 clients, of the empty answers", rates[1] / rates[0], "ratio", 0.55),
        at_most("p99 of single events, of the empty answers' p99", p99s[1] / p99s[0], "ratio", 3.0),
    ]
