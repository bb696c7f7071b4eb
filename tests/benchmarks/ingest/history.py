"""The same load on an empty table and on one with history."""

from statistics import median
from time import perf_counter

from rich.console import Console

from tally.database import connect
from tests.benchmarks.bars import Bar, at_least
from tests.benchmarks.ingest.bodies import TENANT
from tests.benchmarks.ingest.plan import Stream
from tests.benchmarks.ingest.stage import Door

LOAD = Stream(10, 1000)
_ROWS_A_COMMIT = 1_000_000
# Today's partition, the one that is landed in: the hardest place for history to be.
_HISTORY = """
insert into raw.usage_events (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, properties)
select
    %s, 'history-' || md5(number::text), 'customer-' || number %% 500, 'api_calls', number %% 1000,
    now(), '{"status":200}'
from generate_series(%s::bigint, %s::bigint) as number
"""


def measure_history(empty: Door, full: Door, rows: int, repeats: int, seconds: float, console: Console) -> list[Bar]:
    """Alternate the two, the first truncated before each run; the ratio is of medians."""
    started = perf_counter()
    with connect(full.database_url, autocommit=True) as connection:
        for first in range(0, rows, _ROWS_A_COMMIT):
            connection.execute(_HISTORY, (TENANT, first + 1, min(first + _ROWS_A_COMMIT, rows)))
        connection.execute("vacuum (analyze) raw.usage_events")
        connection.execute("checkpoint")
    console.print(f"history of {rows:,} rows made in {perf_counter() - started:,.0f} s")
    for door in (empty, full):
        door.load(1.0, LOAD)
    rates: tuple[list[float], list[float]] = ([], [])
    for number in range(repeats):
        # Whoever comes second finds the machine warmer: take turns.
        for which in ((0, 1), (1, 0))[number % 2]:
            if which == 0:
                empty.empty()
            rates[which].append((empty, full)[which].load(seconds, LOAD).events_per_second)
        console.print(f"empty table {rates[0][-1]:,.0f} events/s, with history {rates[1][-1]:,.0f} events/s")
    console.print(f"medians: empty table {median(rates[0]):,.0f}, with history {median(rates[1]):,.0f} events/s")
    name = f"throughput on {rows / 1e6:g} million landed rows, of that on an empty table"
    return [at_least(name, median(rates[1]) / median(rates[0]), "ratio", 0.95)]
