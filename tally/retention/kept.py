"""The tables that grow with usage and never go, and why."""

from dataclasses import dataclass

import psycopg

_WHY = {
    "ledger.int_usage_events_deduplicated": "needed for ever: it is what keeps a key from counting twice",
    "ledger.int_usage_events_conflicts": "what was sent under a used key, and what people decided about it",
    "ledger.int_usage_events_late": "what adjustments stand for",
    "ledger.int_usage_value_counts": "unique and percentile counters cannot be adjusted without their values",
    "ledger.int_usage_gauge_readings": "time-weighted counters cannot be adjusted without their readings",
    "ledger.int_usage_counters": "what was billed",
}


@dataclass(frozen=True)
class KeptTable:
    """A table that retention never touches; `bytes` with its indexes."""

    relation: str
    bytes: int
    why: str


def kept_tables(connection: psycopg.Connection) -> list[KeptTable]:
    """Those that are there."""
    sizes: dict[str, int] = dict(
        connection.execute(
            "select name, pg_total_relation_size(to_regclass(name)) from unnest(%s::text[]) as name"
            " where to_regclass(name) is not null",
            (list(_WHY),),
        ).fetchall()
    )
    return [KeptTable(relation, sizes[relation], why) for relation, why in _WHY.items() if relation in sizes]
