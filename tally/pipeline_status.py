"""Is billing healthy? What has landed, what is counted, what was sent, what is open; and what is wrong, in words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

from tally.loop_heartbeat import LoopState, loop_state
from tally.push.accounts import held_up
from tally.stripe_reads import ReadBudget, read_budgets
from tally.webhook_findings import webhook_findings

TICK_LAG_LIMIT = timedelta(minutes=5)

_LANDED = """
select
    (select max(landed_at) from raw.usage_events where tenant_id = %(tenant)s),
    count(*),
    min(landed_at)
from raw.usage_events
where tenant_id = %(tenant)s
  and xid >= coalesce((select min(read_to) from tally.model_bounds), '0'::xid8)
"""
_COUNTED = """
select count(*), coalesce(sum(event_count), 0)::bigint from marts.usage_counters where tenant_id = %(tenant)s
"""
_LEFT_OUT = """
select coalesce(sum(late_events), 0)::bigint, coalesce(sum(conflicts), 0)::bigint
from marts.usage_deliveries where tenant_id = %(tenant)s
"""
_INTENTS = "select state, count(*) from tally.push_intents where tenant_id = %(tenant)s group by state order by state"
_OLDEST_OPEN_INTENT = """
select min(planned_at) from tally.push_intents
where tenant_id = %(tenant)s and state in ('planned', 'sending', 'unknown', 'resolving', 'disputed')
"""
_LINES = """
select verdict, count(*) from marts.reconciliation_lines where tenant_id = %(tenant)s group by verdict order by verdict
"""


@dataclass(frozen=True)
class PipelineStatus:
    """One screen. Times are UTC; None is "nothing of the kind yet". `wrong` is empty when all is well.

    `lag`: the age of the oldest landed row that is not counted yet. `loop`: of all tenants, None where none ever ran.
    """

    last_landed_at: datetime | None
    rows_waiting: int
    oldest_waiting_at: datetime | None
    lag: timedelta | None
    loop: LoopState | None
    counters: int
    events_counted: int
    late_events: int
    conflicts: int
    intents: Mapping[str, int]
    oldest_open_intent_at: datetime | None
    lines: Mapping[str, int]
    wrong: tuple[str, ...]
    reads: tuple[ReadBudget, ...] = ()


def pipeline_status(
    connection: psycopg.Connection, tenant_id: str, now: datetime, read_allowance: int | None = None
) -> PipelineStatus:
    """The tenant's standing at `now`. `read_allowance`: GETs in 30 days; None: by Stripe's rule."""

    def rows(query: str) -> list[tuple[Any, ...]]:
        return connection.execute(query, {"tenant": tenant_id}).fetchall()

    [(last_landed_at, waiting, oldest_waiting)] = rows(_LANDED)
    built = rows("select to_regclass('marts.reconciliation_lines') is not null") == [(True,)]
    [(counters, events)] = rows(_COUNTED) if built else [(0, 0)]
    [(late, conflicts)] = rows(_LEFT_OUT) if built else [(0, 0)]
    [(oldest_open,)] = rows(_OLDEST_OPEN_INTENT)
    intents = dict(rows(_INTENTS))
    lines = dict(rows(_LINES)) if built else {}
    lag = None if oldest_waiting is None else now - oldest_waiting
    loop = loop_state(connection)
    found = [*webhook_findings(connection, tenant_id), *_wrong_with_accounts(connection, tenant_id)]
    reads = tuple(read_budgets(connection, tenant_id, now, read_allowance))
    wrong = (*_wrong_with_the_loop(loop, lag), *_wrong(intents, lines, conflicts), *found, *_wrong_with_reads(reads))
    return PipelineStatus(
        last_landed_at,
        waiting,
        oldest_waiting,
        lag,
        loop,
        counters,
        events,
        late,
        conflicts,
        intents,
        oldest_open,
        lines,
        wrong,
        reads,
    )


def _wrong_with_the_loop(loop: LoopState | None, lag: timedelta | None) -> Iterator[str]:
    if loop is not None and loop.died:
        since = f"{loop.beat_at:%Y-%m-%d %H:%M:%S}Z"
        yield f"the loop ({loop.process}) died, last heard of at {since}: `tally up` or `tally loop` starts it"
    if loop is not None and loop.is_running and loop.failures:
        yield f"the loop ({loop.process}) failed {loop.failures} times in a row: {loop.last_error}"
    if lag is not None and lag > TICK_LAG_LIMIT:
        is_running = loop is not None and loop.is_running
        then = "the loop runs, see its log" if is_running else "no loop runs, `tally up` or `tally tick`"
        yield f"the oldest delivery that is not counted waits for {lag}, longer than {TICK_LAG_LIMIT}: {then}"


def _wrong(intents: Mapping[str, int], lines: Mapping[str, int], conflicts: int) -> Iterator[str]:
    if intents.get("disputed"):
        yield f"{intents['disputed']} push intents are disputed and wait for a person: RECONCILIATION.md"
    if intents.get("refused"):
        yield f"{intents['refused']} push intents were refused by Stripe: last_error in tally.push_intents says why"
    if lines.get("break"):
        yield f"{lines['break']} counters do not agree with Stripe: `tally reconcile` names the causes"
    if conflicts:
        yield f"{conflicts} deliveries reuse a key with another payload: ledger.int_usage_events_conflicts"


def _wrong_with_accounts(connection: psycopg.Connection, tenant_id: str) -> Iterator[str]:
    for each in held_up(connection, tenant_id):
        yield f"Stripe account {each.account}, {'live' if each.livemode else 'test'} mode: {each}"


def _wrong_with_reads(reads: tuple[ReadBudget, ...]) -> Iterator[str]:
    for budget in reads:
        if not budget.left:
            yield (
                f"the read allowance of Stripe account {budget.account} is used up ({budget.used} of {budget.allowance}"
                " GETs in 30 days): only what is urgent is read, see tally.stripe_reads"
            )
