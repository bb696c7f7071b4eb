"""Is billing healthy? What has landed, what is counted, what was sent, what is open; and what is wrong, in words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any, Self

import psycopg

from tally.finding import Finding
from tally.landing_rate import landing_rate
from tally.loop_heartbeat import LoopState, loop_state
from tally.push.accounts import held_up
from tally.settings import Settings
from tally.stripe.reads import ReadBudget, read_budgets
from tally.webhook_findings import webhook_findings

TICK_LAG_LIMIT = timedelta(minutes=5)
# Every push sends what is planned; an intent that stays open longer waits for Stripe, or nobody pushes. Intents that
# Stripe's summary settles (`resolving`) take a day by design, and disputed ones are a finding of their own.
OPEN_INTENT_LIMIT = timedelta(minutes=15)

# So many waiting rows are counted, the oldest first; that there are more is all that matters then.
_COUNTED_WAITING = 500_000
_WAITING = f"""
select count(*), min(landed_at)
from (
    select landed_at
    from raw.usage_events
    where tenant_id = %(tenant)s
        and xid >= coalesce((select min(read_to) from tally.model_bounds), '0'::xid8)
    order by xid
    limit {_COUNTED_WAITING}
) as waiting
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
select min(planned_at), min(planned_at) filter (where state in ('planned', 'sending', 'unknown'))
from tally.push_intents
where tenant_id = %(tenant)s and state in ('planned', 'sending', 'unknown', 'resolving', 'disputed')
"""
_LINES = """
with lines as materialized (
    select
        verdict,
        first_seen_at,
        drift_ratio,
        customer_ref,
        metric,
        verdict <> 'unmapped' and drift_ratio > 0
        and not tally.period_is_closed(period_end, invoice_status, %(now)s) as drifts
    from marts.reconciliation_lines
    where tenant_id = %(tenant)s
)

select
    coalesce((
        select jsonb_object_agg(verdict, lines)
        from (select verdict, count(*) as lines from lines group by verdict) as counted
    ), '{}'),
    (select min(first_seen_at) from lines where verdict = 'break'),
    (
        select array[drift_ratio::text, customer_ref, metric]
        from lines
        where drifts
        order by drift_ratio desc
        limit 1
    )
"""


@dataclass(frozen=True)
class Drift:
    """The line of an open period that drifts most: its drift, as a share of the largest of its totals."""

    ratio: Decimal
    customer_ref: str
    metric: str

    def __str__(self) -> str:
        return f"{self.ratio:.4%}, {self.customer_ref} {self.metric}"


@dataclass(frozen=True)
class PipelineStatus:
    """One screen. Times are UTC; None is "nothing of the kind yet". `findings`: what is wrong, by stage.

    `lag`: the age of the oldest landed row that is not counted yet. `loop`: of all tenants, None where none ever ran.
    `rows_waiting` are counted up to a limit, beyond which `more_are_waiting`. `events_per_second`: landed, in the last
    minute. `last_landed_at`: of who has been quiet for days, of the newest counted event.
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
    findings: Mapping[str, tuple[Finding, ...]]
    reads: tuple[ReadBudget, ...] = ()
    events_per_second: float = 0
    drift: Drift | None = None
    oldest_break_at: datetime | None = None

    @property
    def more_are_waiting(self) -> bool:
        return self.rows_waiting == _COUNTED_WAITING

    @property
    def by_stage(self) -> Mapping[str, tuple[str, ...]]:
        """What is wrong where, in words."""
        return {stage: tuple(map(str, found)) for stage, found in self.findings.items()}

    @property
    def wrong(self) -> tuple[str, ...]:
        """What needs a person, in words; empty when all is well."""
        return tuple(chain.from_iterable(self.by_stage.values()))


@dataclass(frozen=True)
class Limits:
    """How long what is under way may take before it is wrong."""

    lag: timedelta = TICK_LAG_LIMIT
    open_intent: timedelta = OPEN_INTENT_LIMIT

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As the settings say."""
        return cls(timedelta(seconds=settings.alert_lag_seconds), timedelta(seconds=settings.alert_intent_seconds))


def pipeline_status(
    connection: psycopg.Connection,
    tenant_id: str,
    now: datetime,
    read_allowance: int | None = None,
    limits: Limits = Limits(),
) -> PipelineStatus:
    """The tenant's standing at `now`. `read_allowance`: GETs in 30 days; None: by Stripe's rule."""

    def rows(query: str) -> list[tuple[Any, ...]]:
        return connection.execute(query.encode(), {"tenant": tenant_id, "now": now}).fetchall()

    [(waiting, oldest_waiting)] = rows(_WAITING)
    built = rows("select to_regclass('marts.reconciliation_lines') is not null") == [(True,)]
    [(counters, events)] = rows(_COUNTED) if built else [(0, 0)]
    [(late, conflicts)] = rows(_LEFT_OUT) if built else [(0, 0)]
    [(oldest_open, oldest_unanswered)] = rows(_OLDEST_OPEN_INTENT)
    intents = dict(rows(_INTENTS))
    lines, oldest_break, worst = rows(_LINES)[0] if built else ({}, None, None)
    landing = landing_rate(connection, tenant_id, now, is_built=built)
    lag = None if oldest_waiting is None else now - oldest_waiting
    loop = loop_state(connection)
    found = [*webhook_findings(connection, tenant_id), *_wrong_with_accounts(connection, tenant_id)]
    reads = tuple(read_budgets(connection, tenant_id, now, read_allowance))
    unanswered_for = None if oldest_unanswered is None else now - oldest_unanswered
    findings = {
        "counted": (*_wrong_with_the_loop(loop, lag, limits.lag), *_wrong_with_deliveries(conflicts)),
        "sent": (*_wrong_with_intents(intents, unanswered_for, limits.open_intent), *found),
        "agreed": (*_wrong_with_lines(lines), *_wrong_with_reads(reads)),
    }
    return PipelineStatus(
        landing.last_landed_at,
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
        findings,
        reads,
        landing.events_per_second,
        Drift(Decimal(worst[0]), *worst[1:]) if worst else None,
        oldest_break,
    )


def _wrong_with_the_loop(loop: LoopState | None, lag: timedelta | None, limit: timedelta) -> Iterator[Finding]:
    if loop is not None and loop.died:
        since = f"{loop.beat_at:%Y-%m-%d %H:%M:%S}Z"
        sentence = f"the loop ({loop.process}) died, last heard of at {since}: `tally up` or `tally loop` starts it"
        yield Finding("loop_died", "loop", sentence, is_global=True)
    if loop is not None and loop.is_running and loop.failures:
        sentence = f"the loop ({loop.process}) failed {loop.failures} times in a row: {loop.last_error}"
        yield Finding("loop_failing", "loop", sentence, is_global=True)
    if lag is not None and lag > limit:
        is_running = loop is not None and loop.is_running
        then = "the loop runs, see its log" if is_running else "no loop runs, `tally up` or `tally tick`"
        sentence = f"the oldest delivery that is not counted waits for {lag}, longer than {limit}: {then}"
        yield Finding("ticks_lag", "ledger", sentence)


def _wrong_with_deliveries(conflicts: int) -> Iterator[Finding]:
    if conflicts:
        sentence = f"{conflicts} deliveries reuse a key with another payload: ledger.int_usage_events_conflicts"
        yield Finding("conflicts", "deliveries", sentence)


def _wrong_with_intents(
    intents: Mapping[str, int], unanswered_for: timedelta | None, limit: timedelta
) -> Iterator[Finding]:
    if unanswered_for is not None and unanswered_for > limit:
        sentence = (
            f"the oldest push intent without an answer waits for {unanswered_for}, longer than {limit}:"
            " `tally push` sends it and says what keeps it"
        )
        yield Finding("intents_waiting", "intents", sentence)
    if disputed := intents.get("disputed"):
        sentence = f"{disputed} push intents are disputed and wait for a person: RECONCILIATION.md"
        yield Finding("intents_disputed", "intents", sentence)
    if refused := intents.get("refused"):
        sentence = f"{refused} push intents were refused by Stripe: last_error in tally.push_intents says why"
        yield Finding("intents_refused", "intents", sentence)


def _wrong_with_lines(lines: Mapping[str, int]) -> Iterator[Finding]:
    if breaks := lines.get("break"):
        sentence = f"{breaks} counters do not agree with Stripe: `tally reconcile` names the causes"
        yield Finding("parity_break", "counters", sentence)


def _wrong_with_accounts(connection: psycopg.Connection, tenant_id: str) -> Iterator[Finding]:
    for each in held_up(connection, tenant_id):
        account = _account(each.account, each.livemode)
        kind = "circuit_open" if each.stopped_at is None else "account_stopped"
        yield Finding(kind, account, f"Stripe account {account} mode: {each}")


def _wrong_with_reads(reads: tuple[ReadBudget, ...]) -> Iterator[Finding]:
    for budget in reads:
        if not budget.left:
            sentence = (
                f"the read allowance of Stripe account {budget.account} is used up ({budget.used} of {budget.allowance}"
                " GETs in 30 days): only what is urgent is read, see tally.stripe_reads"
            )
            yield Finding("reads_used_up", _account(budget.account, budget.livemode), sentence)


def _account(name: str, livemode: bool) -> str:
    return f"{name}, {'live' if livemode else 'test'}"
