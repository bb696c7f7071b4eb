"""Late usage becomes one pending adjustment per customer, metric and period, linked to its events.

Its amount is the counter's value with the late events, minus the value without them, minus what was approved for late
events of this counter before. Events whose adjustment was rejected or reverted are decided: none proposes them again.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.rows import class_row

from tally.adjustments.adjustment import LEDGER, State
from tally.adjustments.ledger_rules import statement
from tally.adjustments.proposal import Proposal, state_of, write
from tally.clock import Clock
from tally.periods import Period

CounterKey = tuple[str, str, datetime]
# A transaction's worth: who approves waits for one of them, not for all.
COUNTERS_AT_ONCE = 200


@dataclass(frozen=True)
class LateProposal:
    """What became of a counter's late events: `events` are those that `adjustment_id` stands for since just now."""

    adjustment_id: str
    customer_ref: str
    metric: str
    period_start: datetime
    events: int
    amount: Decimal
    state: State


@dataclass(frozen=True)
class LateAmount:
    """What a counter's late events are worth. `keys`: all that take part; `new_keys`: those in no adjustment."""

    customer_ref: str
    metric: str
    period_start: datetime
    period_end: datetime
    amount: Decimal
    keys: list[str]
    new_keys: list[str]
    pending_id: str | None
    pending_amount: Decimal | None
    is_one_moment: bool


def propose_late_adjustments(
    connection: psycopg.Connection[Any], clock: Clock, tenant_id: str | None = None
) -> list[LateProposal]:
    """Bring the pending adjustments up to the late events, of one tenant or all; returns those that changed.

    Call it after a tick. It is idempotent, safe beside ticks and other callers, and costs one query when there is
    nothing to propose. While the ledger is between two models it proposes nothing: the next call does.
    """
    unsettled: dict[str, list[CounterKey]] = defaultdict(list)
    query = statement(__package__, "unsettled.sql")
    for tenant, *counter in connection.execute(query, {"tenant_id": tenant_id}).fetchall():
        unsettled[tenant].append((counter[0], counter[1], counter[2]))
    proposals = []
    for tenant, counters in unsettled.items():
        for first in range(0, len(counters), COUNTERS_AT_ONCE):
            with connection.transaction():
                lock_adjustments(connection, tenant)
                some = counters[first : first + COUNTERS_AT_ONCE]
                proposals += settle(connection, tenant, some, clock.now())
    return proposals


def lock_adjustments(connection: psycopg.Connection[Any], tenant_id: str) -> None:
    """One hand at a time on a tenant's adjustments, until the transaction ends."""
    connection.execute("select pg_advisory_xact_lock(hashtextextended('tally.adjustments ' || %s, 0))", (tenant_id,))


def late_amounts(
    connection: psycopg.Connection[Any], tenant_id: str, counters: Sequence[CounterKey]
) -> list[LateAmount]:
    """What the late events of `counters` (customer, metric, period start) are worth now, one row each."""
    with connection.cursor(row_factory=class_row(LateAmount)) as cursor:
        return cursor.execute(
            statement(
                __package__,
                "late_amounts.sql",
                int_usage_value_counts="value_counts",
                int_usage_gauge_readings="gauge_readings",
            ),
            {
                "tenant_id": tenant_id,
                "customers": [customer for customer, _, _ in counters],
                "metrics": [metric for _, metric, _ in counters],
                "starts": [start for _, _, start in counters],
            },
        ).fetchall()


def settle(
    connection: psycopg.Connection[Any], tenant_id: str, counters: Sequence[CounterKey], now: datetime
) -> list[LateProposal]:
    """Bring the pending adjustments of `counters` up to their late events, in the caller's transaction and lock."""
    amounts = late_amounts(connection, tenant_id, counters)
    if not all(amount.is_one_moment for amount in amounts):
        return []
    _unlink_what_is_late_no_longer(connection, tenant_id, counters)
    return [
        _settled(connection, tenant_id, found, now)
        for found in amounts
        if found.new_keys or found.amount != (found.pending_amount or 0) or (found.pending_id and not found.amount)
    ]


def _settled(connection: psycopg.Connection[Any], tenant_id: str, found: LateAmount, now: datetime) -> LateProposal:
    proposal = Proposal(
        adjustment_id=found.pending_id or str(uuid4()),
        customer_ref=found.customer_ref,
        metric=found.metric,
        period=Period(found.period_start, found.period_end),
        amount=found.amount,
        reason="late_events",
        made_by=LEDGER,
        note="",
        state=state_of(found.amount) if found.amount or found.keys else "rejected",
    )
    # Without new events a counter is proposed again because a revert changed what its other late events are worth.
    keys = found.new_keys if found.new_keys or found.pending_id else found.keys
    write(connection, tenant_id, proposal, keys, now)
    return LateProposal(
        proposal.adjustment_id,
        found.customer_ref,
        found.metric,
        found.period_start,
        len(keys),
        found.amount,
        proposal.state,
    )


def _unlink_what_is_late_no_longer(
    connection: psycopg.Connection[Any], tenant_id: str, counters: Sequence[CounterKey]
) -> None:
    connection.execute(
        """
        delete from tally.adjustment_events as link
        using tally.adjustments as adjustment
        where
            adjustment.adjustment_id = link.adjustment_id
            and adjustment.tenant_id = %s
            and (adjustment.customer_ref, adjustment.metric, adjustment.period_start) in (
                select * from unnest(%s::text[], %s::text[], %s::timestamptz[])
            )
            and adjustment.reason = 'late_events'
            and adjustment.state = 'pending'
            and not exists (
                select from ledger.int_usage_events_late as late
                where
                    late.tenant_id = link.tenant_id
                    and late.idempotency_key = link.idempotency_key
                    and late.customer_ref = adjustment.customer_ref
                    and late.metric = adjustment.metric
                    and late.period_start = adjustment.period_start
            )
        """,
        (tenant_id, *map(list, zip(*counters, strict=True))),
    )
