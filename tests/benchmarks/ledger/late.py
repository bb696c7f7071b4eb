"""Late usage inside the window: counters that are there already take it in, all of it, in one tick."""

from pathlib import Path
from statistics import median

from rich.console import Console

from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres
from tests.benchmarks.bars import Bar, at_most
from tests.benchmarks.ledger.books import LATE, Book, book

# From the landed rows alone, without any table of the ledger.
_WRONG = """
with events as (
    select distinct on (tenant_id, idempotency_key) *
    from raw.usage_events
    order by tenant_id, idempotency_key, xid, seq
),
expected as (
    select tenant_id, customer_ref, metric, period_start, period_end, count(*) as event_count,
        trim_scale(sum(quantity)) as quantity_sum, trim_scale(max(quantity)) as quantity_max,
        trim_scale((array_agg(quantity order by event_time desc, landed_at desc, seq desc))[1]) as last_quantity
    from events
    inner join tally.customer_periods using (tenant_id, customer_ref)
    where event_time >= period_start and event_time < period_end
    group by 1, 2, 3, 4, 5
),
counted as (
    select tenant_id, customer_ref, metric, period_start, period_end, event_count,
        trim_scale(quantity_sum), trim_scale(quantity_max), trim_scale(last_quantity)
    from ledger.int_usage_counters
)
select
    (
        select count(*)
        from ((table expected except table counted) union all (table counted except table expected)) as different
    ),
    (select count(*) from expected), (select count(*) from events)
"""


def measure_late(postgres: EmbeddedPostgres, folder: Path, events: int, repeats: int, console: Console) -> list[Bar]:
    """Ticks over late events of periods that are over and counted; every counter is recomputed after every tick."""
    with book(postgres, folder, "late") as each:
        for age in ("interval '2 days'", LATE):  # each counter gets events of the period that is over, twice
            each.land(10 * events, age)
            each.tick()
        ticks, sqls, wrong = [], [], 0
        for _ in range(repeats):
            each.land(events, LATE)
            tick, sql = each.tick()
            ticks.append(tick)
            sqls.append(sql)
            wrong += _wrong_counters(each)
    models = median(sum(model.seconds for model in tick.models) for tick in ticks)
    console.print(
        f"{events:,} late events into counters that were there: {median(sqls):.3f} s of SQL"
        f" (models' own times added up, dbt included: {models:.3f} s;"
        f" the tick: {median(tick.seconds for tick in ticks):.3f} s)"
    )
    return [
        at_most(f"{events:,} late events inside the window: SQL of the one tick", median(sqls), "s", 1),
        at_most("counters not right after that tick", wrong, "counters", 0),
    ]


def _wrong_counters(each: Book) -> int:
    with connect(each.url) as connection:
        row = connection.execute(_WRONG).fetchone()
    assert row is not None
    wrong, counters, events = row
    if events != each.landed or not counters:
        raise RuntimeError(f"{events:,} events landed, not {each.landed:,}: nothing was checked")
    return int(wrong)
