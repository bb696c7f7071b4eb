"""Holding what landed against what was acknowledged, event by event."""

from pathlib import Path

from tally.database import connect

_COMPARE = """
with landed as (
    select left(idempotency_key, 12) as request, count(*) as rows, count(distinct idempotency_key) as events
    from raw.usage_events
    where idempotency_key like %s || '%%'
    group by request
)
select
    count(*) filter (where landed.request is null) as missing,
    count(*) filter (where acknowledged.request is null) as unasked,
    count(*) filter (where landed.rows <> acknowledged.events or landed.events <> acknowledged.events) as wrong
from acknowledged
full join landed using (request)
"""


def audit(database_url: str, acknowledged: Path, run: str) -> None:
    """Hold the rows of one run against its acknowledged requests, a line each: id, tab, number of events.

    Raises:
        RuntimeError: a request is missing, landed without being acknowledged, in part, or more than once.
    """
    with connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("set local work_mem = '512MB'")
        cursor.execute("create temp table acknowledged (request text, events bigint) on commit drop")
        with cursor.copy("copy acknowledged from stdin") as copy, acknowledged.open("rb") as lines:
            while chunk := lines.read(1 << 20):
                copy.write(chunk)
        found = cursor.execute(_COMPARE, (run,)).fetchone()
    if found != (0, 0, 0):
        raise RuntimeError(f"what landed is not what was acknowledged (missing, unasked, wrong): {found}")
