"""Tables that were filled a moment ago are analyzed before counters are joined: else 10,000 take minutes."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tally.database import connect
from tally.planner_statistics import renew_statistics

_FILL = (
    "insert into tally.tenants (tenant_id, name) values ('acme', 'Acme')",
    "insert into tally.meters (tenant_id, metric, aggregation) values ('acme', 'calls', 'sum')",
    "insert into tally.customer_periods (tenant_id, customer_ref, period_start, period_end, origin)"
    " select 'acme', 'c' || number, '2024-03-01Z', '2024-04-01Z', 'stripe' from generate_series(1, 2000) as number",
    "insert into ledger.int_usage_counters (tenant_id, customer_ref, metric, period_start, period_end, closes_at,"
    " event_count, quantity_sum, quantity_min, quantity_max, last_quantity, last_event_time, last_landed_at, last_seq,"
    " newest_xid)"
    " select 'acme', 'c' || number, 'calls', '2024-03-01Z', '2024-04-01Z', '2024-04-03Z', 1, 1, 1, 1, 1, '2024-03-01Z',"
    " '2024-03-01Z', 1, '1' from generate_series(1, 2000) as number",
)
_KNOWN = "select reltuples::integer from pg_class where oid = %s::regclass"


@pytest.fixture
def filled(built_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(built_database_url, autocommit=True) as connection:
        # Whether autovacuum comes by in between is not what is tried.
        for table in ("tally.customer_periods", "ledger.int_usage_counters", "tally.meters"):
            connection.execute(f"alter table {table} set (autovacuum_enabled = off)".encode())
        for statement in _FILL:
            connection.execute(statement.encode())
        yield connection


def known(connection: psycopg.Connection[Any], table: str) -> int:
    """How many rows the planner takes the table for."""
    row = connection.execute(_KNOWN, (table,)).fetchone()
    assert row is not None
    return int(row[0])


def test_what_has_outgrown_its_statistics_gets_new_ones(filled: psycopg.Connection[Any]) -> None:
    grown = ("tally.customer_periods", "ledger.int_usage_counters")
    assert all(known(filled, table) <= 0 for table in grown)
    renew_statistics(filled)
    assert [known(filled, table) for table in grown] == [2000, 2000]
    assert known(filled, "tally.meters") <= 0  # so small that it matters to no plan
    filled.execute(_FILL[2].replace("1, 2000", "2001, 2500").encode())
    renew_statistics(filled)
    assert known(filled, grown[0]) == 2000  # not yet worth the reading
    filled.execute(_FILL[2].replace("1, 2000", "2501, 9000").encode())
    renew_statistics(filled)
    assert known(filled, grown[0]) == 9000
