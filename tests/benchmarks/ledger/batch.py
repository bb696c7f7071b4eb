"""A tick against the same rows written by hand: what dbt, contracts, bounds and general SQL cost."""

from pathlib import Path
from statistics import median
from time import perf_counter

from rich.console import Console

from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres
from tests.benchmarks.bars import Bar, at_most
from tests.benchmarks.ledger.books import Book, book
from tests.benchmarks.ledger.by_hand import count_by_hand

# What both ways must have written alike; transaction and delivery numbers are the landing's, and differ.
_WRITTEN = (
    "select idempotency_key, customer_ref, metric, quantity, event_time, period_start, period_end, closes_at,"
    " payload_hash, outcome from ledger.int_usage_events_deduplicated",
    "select count(*) from ledger.int_usage_events_conflicts",
    "select customer_ref, metric, period_start, period_end, deliveries, events, duplicates, conflicts, late_events,"
    " counted_events, left_out_events from marts.usage_deliveries",
    "select customer_ref, metric, period_start, period_end, closes_at, event_count, quantity_sum, quantity_min,"
    " quantity_max, last_quantity, last_event_time from ledger.int_usage_counters",
    "select customer_ref, metric, period_start, hour_start, dimensions, event_count, quantity_sum, quantity_min,"
    " quantity_max, last_quantity, last_event_time from marts.usage_hourly",
)


def measure_batch(postgres: EmbeddedPostgres, folder: Path, events: int, repeats: int, console: Console) -> list[Bar]:
    """In turns, the first round warms both; the ratio is of medians, and both ledgers must be equal at the end."""
    with (
        book(postgres, folder, "by_ticks") as ticked,
        book(postgres, folder, "by_hand", ticked.base) as by_hand,
    ):
        ticks, hands, sqls = [], [], []
        for number in range(repeats + 1):
            for which in ((0, 1), (1, 0))[number % 2]:
                if which == 0:
                    ticked.land(events)
                    tick, sql = ticked.tick()
                    ticks.append(tick.seconds)
                    sqls.append(sql)
                else:
                    by_hand.land(events)
                    hands.append(_by_hand(by_hand))
        if _fingerprints(ticked) != _fingerprints(by_hand):
            raise RuntimeError("ticks and the SQL by hand have not written the same rows")
    tick, hand, sql = median(ticks[1:]), median(hands[1:]), median(sqls[1:])
    console.print(
        f"{events:,} new events: tick {tick:.2f} s ({sql:.2f} s of SQL), by hand {hand:.2f} s;"
        f" {events / tick:,.0f} events/s in a tick"
    )
    return [at_most(f"tick over {events:,} events against the SQL written by hand", tick / hand, "ratio", 3)]


def _by_hand(each: Book) -> float:
    started = perf_counter()
    with connect(each.url) as connection:
        count_by_hand(connection)
    return perf_counter() - started


def _fingerprints(each: Book) -> list[tuple[object, ...] | None]:
    """Of every table: how many rows, and a sum over hashes of their texts."""
    with connect(each.url) as connection:
        return [
            connection.execute(
                f"select count(*), sum(hashtextextended(written::text, 0)) from ({rows}) as written".encode()
            ).fetchone()
            for rows in _WRITTEN
        ]
