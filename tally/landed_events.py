"""Whether a metric has events, and how many the ledger read before the metric was declared.

Asked of what the ledger keeps per counter and of the rows it has not read yet: never of all history.
"""

from collections.abc import Mapping
from typing import Any

import psycopg

# Behind a bound of another cluster (a restored database, not re-stamped yet) any row may be new.
_BOUND = """
select to_regclass('marts.usage_deliveries') is not null, (
    select read_to::text from tally.model_bounds
    where model = 'marts.usage_deliveries' and system_identifier = tally.cluster_identifier()
)
"""
_READ = """
select exists (select from marts.usage_deliveries where tenant_id = %(tenant_id)s and metric = %(metric)s)
"""
# The bound is a value of its own, so that the index on xid is what the planner takes.
_UNREAD = """
select exists (
    select from raw.usage_events
    where tenant_id = %(tenant_id)s and metric = %(metric)s and xid >= %(bound)s::xid8
)
"""
_COUNT = """
select coalesce(sum(events), 0)::bigint + (
    select count(*) from ledger.int_usage_events_deduplicated
    where tenant_id = %(tenant_id)s and metric = %(metric)s and xid >= %(bound)s::xid8
)
from marts.usage_deliveries
where tenant_id = %(tenant_id)s and metric = %(metric)s
"""


def has_events(connection: psycopg.Connection, meter: Mapping[str, Any]) -> bool:
    """Whether an event of the meter (`tenant_id`, `metric`) has landed, counted or not."""
    built, bound = _bound(connection)
    if built and _scalar(connection, _READ, meter):
        return True
    return bool(_scalar(connection, _UNREAD, {**meter, "bound": bound if built and bound else "0"}))


def events_read(connection: psycopg.Connection, meter: Mapping[str, Any]) -> int:
    """How many events of the meter the ledger has read: for one that is declared only now, all of them uncounted."""
    built, bound = _bound(connection)
    return int(_scalar(connection, _COUNT, {**meter, "bound": bound})) if built and bound else 0


def _bound(connection: psycopg.Connection) -> tuple[bool, str | None]:
    row = connection.execute(_BOUND).fetchone()
    assert row is not None
    return row[0], row[1]


def _scalar(connection: psycopg.Connection, query: str, parameters: Mapping[str, Any]) -> Any:
    row = connection.execute(query, parameters).fetchone()
    assert row is not None
    return row[0]
