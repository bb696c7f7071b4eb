"""Which events a replay counts anew: the ones asked for, extended per customer to whole periods."""

from datetime import datetime
from typing import Any

import psycopg

from tally.replay.errors import ReplayRefused
from tally.replay.request import Request
from tally.replay.statements import run

# A chunk is counted in memory and temporary files; each one costs a pass over the events' and the landing tables.
DELIVERIES_A_CHUNK = 1_000_000

_UNKNOWN_METRICS = """
    select metric
    from unnest(%(names)s::text[]) as metric
    where
        (%(tenant_id)s, metric) not in (select tenant_id, metric from tally.meters)
        and (%(tenant_id)s, metric) not in (select tenant_id, metric from marts.usage_deliveries)
"""
_UNKNOWN_KEYS = """
    select idempotency_key
    from unnest(%(names)s::text[]) as idempotency_key
    where not exists (
        select from ledger.int_usage_events_deduplicated as event
        where event.tenant_id = %(tenant_id)s and event.idempotency_key = idempotency_key.idempotency_key
    )
"""


def write_scope(
    connection: psycopg.Connection[Any],
    replay_id: str,
    request: Request,
    span: tuple[datetime, datetime],
    deliveries_a_chunk: int = DELIVERIES_A_CHUNK,
) -> None:
    """Fill tally.replay_scope for the replay, in the caller's transaction.

    Raises:
        ReplayRefused: a metric or key that nothing is known of.
    """
    _refuse_unknown(connection, request)
    parameters: dict[str, Any] = {
        "replay_id": replay_id,
        "tenant_id": request.tenant_id,
        "metrics": metrics_of(connection, request),
        "customers": None if request.customers is None else list(request.customers),
        "keys": None if request.keys is None else list(request.keys),
        "since": span[0],
        "until": span[1],
        "deliveries_a_chunk": deliveries_a_chunk,
    }
    run(connection, "base_scope.sql" if request.keys is None else "scope_of_keys.sql", parameters)
    # Periods overlap their neighbours only where their dating changed, so this ends after a few steps.
    while run(connection, "extend_scope.sql", parameters):
        pass
    run(connection, "cut_chunks.sql", parameters)


def metrics_of(connection: psycopg.Connection[Any], request: Request) -> list[str] | None:
    """The metrics that are counted anew; None for all. Of given keys: theirs."""
    if request.keys is None:
        return None if request.metrics is None else list(request.metrics)
    rows = connection.execute(
        "select distinct metric from ledger.int_usage_events_deduplicated"
        " where tenant_id = %s and idempotency_key = any (%s)",
        (request.tenant_id, list(request.keys)),
    )
    return [metric for (metric,) in rows]


def _refuse_unknown(connection: psycopg.Connection[Any], request: Request) -> None:
    for field, query, names in (("metric", _UNKNOWN_METRICS, request.metrics), ("key", _UNKNOWN_KEYS, request.keys)):
        rows = connection.execute(query, {"names": list(names or ()), "tenant_id": request.tenant_id}).fetchall()
        if rows:
            unknown = ", ".join(repr(name) for (name,) in rows[:10])
            raise ReplayRefused(
                f"{field}: the ledger of {request.tenant_id} knows no {unknown}; `tally tick` reads what has landed"
            )
