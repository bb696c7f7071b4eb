"""Ticks of the resident loop, whatever their batching, leave what one full refresh computes: byte for byte."""

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from landing import AGGREGATIONS, JANUARY, Delivery, contents, land
from loop_process import running_loop

from tally.database import connect
from tally.ledger import Ledger

AFTER_THE_WINDOW = JANUARY[1] + timedelta(hours=49)


def batch(number: int) -> list[Delivery]:
    """Every aggregation, a repeated event, a conflicting one, and from the third batch on a late one."""
    deliveries = [
        Delivery(
            f"{number}-{metric}",
            metric=metric,
            quantity=Decimal(number + 1),
            event_time=JANUARY[0] + timedelta(days=9, hours=-number),
            properties=json.dumps({"user": f"u{number % 3}"}),
        )
        for metric in AGGREGATIONS
    ]
    repeated, conflicting = Delivery("again"), Delivery("conflict", quantity=Decimal(number + 1))
    late = [Delivery(f"late-{number}", landed_at=AFTER_THE_WINDOW)] if number > 1 else []
    return [*deliveries, repeated, conflicting, *late]


@pytest.mark.thorough
def test_loop_ticks_equal_one_refresh(
    database: psycopg.Connection, ledger: Ledger, built_database_url: str, dbt_folder: Path, tmp_path: Path
) -> None:
    batches = 8
    with running_loop(built_database_url, dbt_folder.parent, tmp_path / "loop.log") as loop:
        loop.until_ticking(database)
        with connect(built_database_url) as slow:
            land(slow, [Delivery("slow to commit")])
            for number in range(batches):
                with database.transaction():
                    land(database, batch(number))
            slow.commit()
        landed = "select count(distinct (tenant_id, idempotency_key)) from raw.usage_events"
        counted = "select count(*) from ledger.int_usage_events_deduplicated"
        loop.until(lambda: database.execute(landed).fetchone() == database.execute(counted).fetchone())
        assert loop.terminate() == 0
        assert "late events: adjustment" in loop.log
    proposed = database.execute("select reason, state from tally.adjustments").fetchall()
    assert proposed == [("late_events", "pending")]
    ledger.tick()
    by_the_loop = contents(database)
    ledger.refresh()
    assert contents(database) == by_the_loop
