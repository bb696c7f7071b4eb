"""What one event takes for ever, against its landed row."""

from pathlib import Path

from rich.console import Console

from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres
from tests.benchmarks.bars import Bar, at_most
from tests.benchmarks.ledger.books import book

# Tables with their indexes and TOAST; free space and the visibility map are of the table, not of an event.
_BYTES = """
select
    pg_table_size(ledger.oid::regclass), pg_indexes_size(ledger.oid::regclass),
    (select sum(pg_table_size(relid)) from pg_partition_tree('raw.usage_events') where isleaf),
    (select sum(pg_indexes_size(relid)) from pg_partition_tree('raw.usage_events') where isleaf)
from pg_class as ledger
where ledger.oid = 'ledger.int_usage_events_deduplicated'::regclass
"""


def measure_state(postgres: EmbeddedPostgres, folder: Path, events: int, ticks: int, console: Console) -> list[Bar]:
    """Keys in no order, landed and ticked in `ticks` steps, so that the index is as full as it comes to be in use."""
    with book(postgres, folder, "state") as each:
        for _ in range(ticks):
            each.land(events // ticks)
            each.tick()
        with connect(each.url) as connection:
            row = connection.execute(_BYTES).fetchone()
            landed = connection.execute("select count(*) from raw.usage_events").fetchone()
    assert row is not None
    assert landed is not None
    table, indexes = (int(size) / each.landed for size in row[:2])
    raw_table, raw_index = (int(size) / int(landed[0]) for size in row[2:])
    console.print(
        f"bytes an event: {table:.0f} in the ledger's table and {indexes:.0f} in its indexes;"
        f" landed row {raw_table:.0f} and {raw_index:.0f} in its index"
    )
    return [
        at_most(
            "kept for ever by dedupe and lineage, against the landed row",
            (table + indexes) / (raw_table + raw_index),
            "ratio",
            2,
        ),
    ]
