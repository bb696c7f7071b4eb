"""The loop's look at the landing table: what waits that a tick would read now. No Dagster in here."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

FIRST_MODEL = "ledger.int_usage_events_deduplicated"

# Two bounds: the slowest model's says what waits, the first model's from where its next window counts new events.
_WAITING = """
select
    count(*),
    min(event.landed_at),
    coalesce((select read_to from tally.model_bounds where model = %(first)s), '0')::text::bigint
from raw.usage_events as event
where event.xid >= coalesce((select min(read_to) from tally.model_bounds), '0')
  and event.xid < pg_snapshot_xmin(pg_current_snapshot())
"""


@dataclass(frozen=True)
class Waiting:
    """Rows that a tick would read now, the oldest one's landing time, and how far the first model has read."""

    rows: int
    oldest_landed_at: datetime | None
    read_to: int


def waiting_rows(connection: psycopg.Connection[Any]) -> Waiting:
    """One look; costs as much as there are waiting rows: an index probe per partition when there are none."""
    row = connection.execute(_WAITING, {"first": FIRST_MODEL}).fetchone()
    assert row is not None
    return Waiting(*row)
