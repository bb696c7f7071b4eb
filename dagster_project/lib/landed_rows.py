"""What has landed and is not counted yet, and which run it calls for. No Dagster in here."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

import psycopg

# A run that fails this often for the same rows needs a person; newly landed rows start the count again.
MOST_ATTEMPTS = 3

_WAITING = """
with bound as materialized (
    select coalesce(min(read_to), '0') as read_to, pg_snapshot_xmin(pg_current_snapshot()) as horizon
    from tally.model_bounds
),

waiting as materialized (
    select event.tenant_id, event.customer_ref, event.metric, event.event_time, event.landed_at, event.xid
    from raw.usage_events as event, bound
    where event.xid >= bound.read_to and event.xid < bound.horizon
)

select
    bound.read_to::text::bigint as read_to,
    (select max(xid)::text::bigint from waiting) as newest,
    (select count(*) from waiting) as waiting,
    (select max(landed_at) from waiting) as newest_landed_at,
    exists (
        select from waiting
        inner join tally.price_mappings as mapping using (tenant_id, metric)
        where mapping.active and not exists (
            select from tally.customer_periods as period
            where period.tenant_id = waiting.tenant_id and period.customer_ref = waiting.customer_ref
              and period.period_start <= waiting.event_time and period.period_end > waiting.event_time
        )
    ) as has_undated
from bound
"""


@dataclass(frozen=True)
class LandedRows:
    """The door's table against the ledger's bound.

    `read_to`: the landing transaction that the slowest model has reached (exclusive). `newest`: the newest transaction
    a tick would read now, None when there is none; rows of transactions under way come later. `has_undated`: a billed
    event waits whose customer has no billing period at that time yet.
    """

    read_to: int
    newest: int | None
    waiting: int
    newest_landed_at: datetime | None
    has_undated: bool


@dataclass(frozen=True)
class Asked:
    """The sensor's cursor: for which rows it asked last, how often, and for how many syncs since the last tick."""

    newest: int = 0
    ticks: int = 0
    syncs: int = 0

    def cursor(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Request:
    """Start `job` now. `run_key` names the rows and the attempt, so that asking twice starts one run."""

    job: Literal["sync", "tick"]
    run_key: str
    asked: Asked


@dataclass(frozen=True)
class Wait:
    """Start nothing now, and why."""

    reason: str


def landed_rows(connection: psycopg.Connection) -> LandedRows:
    """One look at both sides; costs as much as there are waiting rows, whatever the history."""
    row = connection.execute(_WAITING).fetchone()
    assert row is not None
    return LandedRows(*row)


def next_run(landed: LandedRows, cursor: str | None, unfinished_run: str | None, may_sync: bool) -> Request | Wait:
    """What the waiting rows call for.

    `cursor` is the last request's; `unfinished_run` a sync or tick that has not ended; `may_sync`: there is a Stripe to
    ask for billing periods, and it was not asked a moment ago.

    A tick dates events for good, so an unknown billing period is looked up first. When that fails `MOST_ATTEMPTS`
    times the tick goes on without: one customer's unknown period must not stop everybody's counters.
    """
    if landed.newest is None:
        return Wait(f"nothing has landed since transaction {landed.read_to}")
    if unfinished_run is not None:
        return Wait(f"{landed.waiting:,} rows wait: run {unfinished_run} is under way and the next one takes them")
    asked = Asked(**json.loads(cursor)) if cursor else Asked()
    ticks = asked.ticks if asked.newest == landed.newest else 0
    if landed.has_undated and may_sync and asked.syncs < MOST_ATTEMPTS:
        syncs = asked.syncs + 1
        return Request("sync", f"sync-{landed.newest}-{syncs}", Asked(landed.newest, ticks, syncs))
    if ticks >= MOST_ATTEMPTS:
        return Wait(
            f"{ticks} ticks up to transaction {landed.newest} did not count its rows: look at the last failed run of "
            "job tick, then launch it by hand"
        )
    return Request("tick", f"tick-{landed.newest}-{ticks + 1}", Asked(landed.newest, ticks + 1, 0))
