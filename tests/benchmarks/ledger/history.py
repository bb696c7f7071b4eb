"""The same tick on a short ledger and on a long one: what it costs must not follow what was counted before."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from time import perf_counter

import psycopg
from rich.console import Console

from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres
from tests.benchmarks.bars import Bar, at_most
from tests.benchmarks.ledger import by_hand
from tests.benchmarks.ledger.books import Book, book, land

_ROWS_A_COMMIT = 250_000
# 20 million events in 28 days; a shorter history is as dense and reaches back less far.
_AGE = "({rows} - number) * (interval '28 days' / 20000000)"
_KEY = "int_usage_events_deduplicated_pkey"
_INDEX = "int_usage_events_deduplicated_xid"
_TABLE = "ledger.int_usage_events_deduplicated"
# Recomputed from the landed rows, these hold only when the history is what ticks would have counted.
_TESTS = (
    "assert_the_first_delivery_counts",
    "assert_counters_match_the_ledger",
    "assert_delivery_counts_match_the_ledger",
    "assert_deliveries_add_up",
    "assert_hours_add_up",
)


def measure_history(
    postgres: EmbeddedPostgres, folder: Path, rows: tuple[int, int], events: int, repeats: int, console: Console
) -> list[Bar]:
    """Ticks over `events` new ones, in turns on ledgers of `rows` events; the ratios are of medians."""
    with book(postgres, folder, "short") as short, book(postgres, folder, "long") as long:
        for each, count in zip((short, long), rows, strict=True):
            started = perf_counter()
            fill(each, count)
            console.print(f"history of {count:,} events made in {perf_counter() - started:,.0f} s")
        walls: tuple[list[float], list[float]] = ([], [])
        sqls: tuple[list[float], list[float]] = ([], [])
        for number in range(repeats + 1):
            for which in ((0, 1), (1, 0))[number % 2]:
                each = (short, long)[which]
                each.land(events)
                tick, sql = each.tick()
                if tick.new_events != events:
                    raise RuntimeError(f"a tick over {events:,} new events counted {tick.new_events:,}")
                if number:  # the first warms both
                    walls[which].append(tick.seconds)
                    sqls[which].append(sql)
        failed = [result.name for result in short.ledger.test(*_TESTS) if result.status != "pass"]
        if failed:
            raise RuntimeError(f"the history is not what ticks would have counted: {', '.join(failed)}")
    for count, wall, sql in zip(rows, walls, sqls, strict=True):
        console.print(
            f"{count:,} events before: a tick over {events:,} takes {median(wall):.3f} s, {median(sql):.3f} s of SQL"
        )
    name = f"tick over {events:,} events, {rows[1] / 1e6:g} million before against {rows[0] / 1e6:g} million"
    return [
        at_most(name, median(walls[1]) / median(walls[0]), "ratio", 1.5),
        at_most(f"{name}: SQL alone", median(sqls[1]) / median(sqls[0]), "ratio", 1.5),
    ]


def fill(each: Book, rows: int) -> None:
    """Land a history and count it by hand, two commits at a time, indexes last; then leave it as autovacuum would."""
    with connect(each.url, autocommit=True) as connection:
        connection.execute(f"alter table {_TABLE} drop constraint {_KEY}".encode())
        connection.execute(f"drop index ledger.{_INDEX}".encode())
    firsts = range(1, rows + 1, _ROWS_A_COMMIT)
    with ThreadPoolExecutor(2) as workers:
        xids = sorted(workers.map(lambda first: _events(each, first, rows), firsts))
        list(workers.map(lambda statement: _index(each, statement), (_primary_key(), _xid_index())))
        tables = (by_hand.DELIVERIES, by_hand.COUNTERS, by_hand.HOURS)
        list(workers.map(lambda table: _count(each, table, xids), tables))
    with connect(each.url, autocommit=True) as connection:
        connection.execute("update tally.model_bounds set read_to = pg_snapshot_xmin(pg_current_snapshot())")
        connection.execute("vacuum (analyze)")
        _into_memory(connection)
        connection.execute("checkpoint")
    each.landed = rows


def _into_memory(connection: psycopg.Connection) -> None:
    """Read the index of keys: ticks that made it one by one would have left it in memory."""
    for scan in ("enable_seqscan", "enable_bitmapscan", "max_parallel_workers_per_gather"):
        connection.execute(f"set {scan} = 0".encode())
    connection.execute(f"select count(idempotency_key) from {_TABLE} where tenant_id >= ''".encode())


def _events(each: Book, first: int, rows: int) -> int:
    last = min(first + _ROWS_A_COMMIT - 1, rows)
    with connect(each.url) as connection:
        land(connection, each.base, first, last, _AGE.format(rows=rows))
        row = connection.execute("select pg_current_xact_id()::text").fetchone()
        assert row is not None
        xid = int(row[0])
        by_hand.prepare(connection)
        by_hand.run(connection, by_hand.EVENTS_WITHOUT_A_KEY, str(xid), str(xid + 1))
    return xid


def _primary_key() -> str:
    return f"alter table {_TABLE} add constraint {_KEY} primary key (tenant_id, idempotency_key)"


def _xid_index() -> str:
    return f"create index {_INDEX} on {_TABLE} (xid)"


def _index(each: Book, statement: str) -> None:
    with connect(each.url, autocommit=True) as connection:
        connection.execute("set maintenance_work_mem = '1GB'")
        connection.execute(statement.encode())


def _count(each: Book, table: str, xids: list[int]) -> None:
    for xid in xids:
        with connect(each.url) as connection:
            by_hand.prepare(connection)
            by_hand.run(connection, table, str(xid), str(xid + 1))
