"""What of a counter's usage does not count, in the counter's own unit: what another system may have counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg

from tally.compare.here import Counter, Key, Meter

# Once over the landed rows of the asked counters: a repeat is a delivery that is not its event's first.
_EVIDENCE = """
with asked as (
    select * from unnest(%(customers)s::text[], %(metrics)s::text[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
        as each (customer_ref, metric, period_start, period_end)
),

late as (
    select asked.customer_ref, asked.metric, asked.period_start, count(*) as events, sum(event.quantity) as quantity
    from asked
    inner join ledger.int_usage_events_late as event
        on event.tenant_id = %(tenant_id)s and event.customer_ref = asked.customer_ref and event.metric = asked.metric
        and event.period_start = asked.period_start
    group by 1, 2, 3
),

repeats as (
    select
        asked.customer_ref, asked.metric, asked.period_start,
        count(*) filter (where conflict.seq is null) as duplicates,
        sum(event.quantity) filter (where conflict.seq is null) as duplicate_quantity,
        count(conflict.seq) as conflicts,
        sum(conflict.quantity - conflict.first_quantity) as conflict_quantity
    from asked
    inner join ledger.int_usage_events_deduplicated as event
        on event.tenant_id = %(tenant_id)s and event.customer_ref = asked.customer_ref and event.metric = asked.metric
        and event.period_start = asked.period_start and event.outcome = 'counted'
    inner join raw.usage_events as delivery
        on delivery.tenant_id = %(tenant_id)s and delivery.idempotency_key = event.idempotency_key
        and (delivery.xid, delivery.seq) <> (event.xid, event.seq)
    left join ledger.int_usage_events_conflicts as conflict
        on conflict.tenant_id = %(tenant_id)s and conflict.idempotency_key = delivery.idempotency_key
        and conflict.xid = delivery.xid and conflict.seq = delivery.seq
    group by 1, 2, 3
)

select
    asked.customer_ref, asked.metric, asked.period_start, late.events, late.quantity, repeats.duplicates,
    repeats.duplicate_quantity, repeats.conflicts, repeats.conflict_quantity
from asked
left join late using (customer_ref, metric, period_start)
left join repeats using (customer_ref, metric, period_start)
"""
MOST_COUNTERS = 1000


@dataclass(frozen=True)
class Uncounted:
    """A part of what landed that is not in the counter, and what the counter would gain by it."""

    code: str
    amount: Decimal
    says: str


def uncounted(
    connection: psycopg.Connection[Any], tenant_id: str, counters: Sequence[Counter], meters: dict[str, Meter]
) -> dict[Key, list[Uncounted]]:
    """Of counters of a count or a sum: late events, repeats, the other payloads of conflicts, adjustments.

    Of more than `MOST_COUNTERS` counters only the first so many are looked into.
    """
    asked = [each for each in counters if each.aggregation in ("count", "sum")][:MOST_COUNTERS]
    parameters: dict[str, Any] = {
        "tenant_id": tenant_id,
        "customers": [each.customer_ref for each in asked],
        "metrics": [each.metric for each in asked],
        "starts": [each.period_start for each in asked],
        "ends": [each.period_end for each in asked],
    }
    found: dict[Key, list[Uncounted]] = {}
    if asked:
        for customer, metric, start, *numbers in connection.execute(_EVIDENCE, parameters):
            found[customer, metric, start] = _of_events(meters[metric], *numbers)
    for each in counters:
        if each.adjustment:
            says = f"adjustments of {each.adjustment:+f} are booked here"
            found.setdefault(each.key, []).append(Uncounted("adjustments", -each.adjustment, says))
    return found


def counted(number: int, noun: str) -> str:
    """`1 event`, `2 events`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _of_events(
    meter: Meter,
    late: int | None,
    late_quantity: Decimal | None,
    duplicates: int | None,
    duplicate_quantity: Decimal | None,
    conflicts: int | None,
    conflict_quantity: Decimal | None,
) -> list[Uncounted]:
    def amount(events: int | None, quantity: Decimal | None) -> Decimal:
        measured = Decimal(events or 0) if meter.aggregation == "count" else quantity or Decimal(0)
        return measured / meter.divide_by

    found = []
    if late:
        worth = amount(late, late_quantity)
        says = f"{counted(late, 'event')} worth {worth:f} landed after the period had closed"
        found.append(Uncounted("late events", worth, says))
    if duplicates:
        worth = amount(duplicates, duplicate_quantity)
        found.append(
            Uncounted("duplicates", worth, f"{counted(duplicates, 'repeat')} worth {worth:f} arrived and count nothing")
        )
    if conflicts:
        # A count has the event either way; a sum is the other payload instead of the first.
        worth = amount(0, conflict_quantity)
        says = f"{conflicts} came again under a used key with another quantity, {worth:+f} in all"
        found.append(Uncounted("conflicts", worth, says))
    return [each for each in found if each.amount]
