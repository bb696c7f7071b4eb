"""Writing the Stripe mirror: tally.stripe_subscription_items, tally.customer_periods, tally.stripe_unmapped."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg

from tally.customer_periods import PeriodConflict, take_over
from tally.periods import periods_of
from tally.stored_periods import store_changes, stored_periods
from tally.stripe.subscriptions import MeteredItem, StripeMeter

PERIODS_AHEAD = 2

_UPSERT_ITEM = """
insert into tally.stripe_subscription_items (
    account, livemode, item_id, tenant_id, customer_ref, metric, subscription_id, subscription_status,
    stripe_customer_id, stripe_meter_id, event_name, formula, price_id, billing_cycle_anchor, started_at, ended_at,
    current_period_start, current_period_end, trial_starts_at, trial_ends_at, synced_at
) values (
    %(account)s, %(livemode)s, %(item_id)s, %(tenant_id)s, %(customer_ref)s, %(metric)s, %(subscription_id)s,
    %(subscription_status)s, %(stripe_customer_id)s, %(stripe_meter_id)s, %(event_name)s, %(formula)s, %(price_id)s,
    %(billing_cycle_anchor)s, %(started_at)s, %(ended_at)s, %(current_period_start)s, %(current_period_end)s,
    %(trial_starts_at)s, %(trial_ends_at)s, %(now)s
)
on conflict (tenant_id, account, livemode, item_id) do update set
    customer_ref = excluded.customer_ref, metric = excluded.metric, subscription_id = excluded.subscription_id,
    subscription_status = excluded.subscription_status, stripe_customer_id = excluded.stripe_customer_id,
    stripe_meter_id = excluded.stripe_meter_id, event_name = excluded.event_name, formula = excluded.formula,
    price_id = excluded.price_id, billing_cycle_anchor = excluded.billing_cycle_anchor,
    started_at = excluded.started_at, ended_at = excluded.ended_at,
    current_period_start = excluded.current_period_start,
    current_period_end = excluded.current_period_end, trial_starts_at = excluded.trial_starts_at,
    trial_ends_at = excluded.trial_ends_at,
    synced_at = excluded.synced_at
where stripe_subscription_items.synced_at <= excluded.synced_at
"""
# An item that Stripe no longer lists was removed; one that is listed but cannot be mapped must not be pushed to. What
# was read after this sync had begun (of one subscription, by its webhook) is newer, and stays.
_END_VANISHED = """
update tally.stripe_subscription_items set ended_at = %(now)s
where tenant_id = %(tenant_id)s and account = %(account)s and livemode = %(livemode)s
  and ended_at is null and not item_id = any(%(listed)s) and synced_at <= %(now)s
  and (%(subscription_id)s::text is null or subscription_id = %(subscription_id)s)
"""
_DROP_UNMAPPABLE = """
delete from tally.stripe_subscription_items
where tenant_id = %(tenant_id)s and account = %(account)s and livemode = %(livemode)s and item_id = any(%(unmappable)s)
  and synced_at <= %(now)s
"""


@dataclass(frozen=True)
class Unmapped:
    """Something in Stripe that no counter can go to: a meter, a customer, an item or an event name; and why."""

    object_id: str
    reason: str


@dataclass
class SyncSummary:
    """What a sync found and changed. `periods_replaced` were projections that Stripe's word contradicted."""

    items: int = 0
    customers: int = 0
    items_ended: int = 0
    periods_confirmed: int = 0
    periods_projected: int = 0
    periods_replaced: int = 0
    unmapped: list[Unmapped] = field(default_factory=list)


@dataclass(frozen=True)
class MirrorKey:
    """Whose mirror, of which account and mode, as of when."""

    tenant_id: str
    account: str
    livemode: bool
    now: datetime

    def parameters(self, **more: Any) -> dict[str, Any]:
        return {**vars(self), **more}


def write_items(
    connection: psycopg.Connection[Any],
    key: MirrorKey,
    items: Iterable[MeteredItem],
    metrics: Mapping[str, str],
    meters: Mapping[str, StripeMeter],
) -> None:
    """Store the items; `metrics` is by event name, `meters` by meter id."""
    rows = [
        key.parameters(
            item_id=item.item_id,
            customer_ref=item.customer_ref,
            metric=metrics[meters[item.meter_id].event_name],
            subscription_id=item.subscription_id,
            subscription_status=item.subscription_status,
            stripe_customer_id=item.stripe_customer_id,
            stripe_meter_id=item.meter_id,
            event_name=meters[item.meter_id].event_name,
            formula=meters[item.meter_id].formula,
            price_id=item.price_id,
            billing_cycle_anchor=item.repeats.anchor,
            started_at=item.started_at,
            ended_at=item.ended_at,
            current_period_start=item.current.start,
            current_period_end=item.current.end,
            trial_starts_at=item.trial_starts_at,
            trial_ends_at=item.trial_ends_at,
        )
        for item in items
    ]
    with connection.cursor() as cursor:
        cursor.executemany(_UPSERT_ITEM, rows)


def end_items(
    connection: psycopg.Connection[Any], key: MirrorKey, listed: list[MeteredItem], subscription_id: str | None = None
) -> int:
    """Mark the stored items that Stripe no longer lists, all or one subscription's, as ended; returns how many."""
    gone = key.parameters(listed=[item.item_id for item in listed], subscription_id=subscription_id)
    return connection.execute(_END_VANISHED, gone).rowcount


def drop_items(connection: psycopg.Connection[Any], key: MirrorKey, item_ids: Iterable[str]) -> None:
    """Remove items that can no longer be mapped, so that nothing is pushed to them."""
    connection.execute(_DROP_UNMAPPABLE, key.parameters(unmappable=sorted(item_ids)))


def write_periods(
    connection: psycopg.Connection[Any], key: MirrorKey, items: list[MeteredItem], summary: SyncSummary
) -> list[MeteredItem]:
    """Store each customer's periods; returns the items whose period fits, and lists the others as unmapped.

    A subscription that ended cuts its period short, unless another one of the customer's goes on in it.
    """
    customers = {item.customer_ref for item in items}
    stored = stored_periods(connection, key.tenant_id, customers)
    going_on = {(item.customer_ref, item.current.start) for item in items if item.ended_at is None}
    going_on |= _going_on(connection, key, customers, items)
    kept = []
    for item in sorted(items, key=lambda item: (item.customer_ref, item.started_at, item.item_id)):
        if item.ended_at is not None and (item.customer_ref, item.current.start) in going_on:
            kept.append(item)
            continue
        ends_at = item.ended_at or item.ends_at
        computed = periods_of(item.current, item.repeats, item.started_at, PERIODS_AHEAD)
        projected = [period for period in computed if ends_at is None or period.start < ends_at]
        try:
            changes = take_over(stored[item.customer_ref], item.current, projected)
        except PeriodConflict as conflict:
            summary.unmapped.append(Unmapped(item.item_id, f"{item.customer_ref}: {conflict}"))
            continue
        store_changes(connection, key.tenant_id, item.customer_ref, changes)
        summary.periods_confirmed += len(changes.confirmed) + sum(known.is_stripes for known in changes.inserted)
        summary.periods_projected += sum(not known.is_stripes for known in changes.inserted)
        summary.periods_replaced += len(changes.deleted)
        kept.append(item)
    return kept


def _going_on(
    connection: psycopg.Connection[Any], key: MirrorKey, customers: set[str], items: list[MeteredItem]
) -> set[tuple[str, datetime]]:
    """Of subscriptions that are not among `items`: (customer_ref, start of the current period)."""
    rows = connection.execute(
        "select distinct customer_ref, current_period_start from tally.stripe_subscription_items"
        " where tenant_id = %(tenant_id)s and account = %(account)s and livemode = %(livemode)s and ended_at is null"
        " and customer_ref = any(%(customers)s) and not subscription_id = any(%(subscriptions)s)",
        key.parameters(customers=sorted(customers), subscriptions=sorted({item.subscription_id for item in items})),
    ).fetchall()
    return {(customer_ref, start) for customer_ref, start in rows}


def write_unmapped(
    connection: psycopg.Connection[Any],
    key: MirrorKey,
    unmapped: list[Unmapped],
    looked_at: Iterable[str] | None = None,
) -> None:
    """Replace the list of what could not be mapped; only of the objects `looked_at`, where they are given."""
    connection.execute(
        "delete from tally.stripe_unmapped"
        " where tenant_id = %(tenant_id)s and account = %(account)s and livemode = %(livemode)s"
        " and (%(looked_at)s::text[] is null or object_id = any(%(looked_at)s))",
        key.parameters(looked_at=None if looked_at is None else sorted(looked_at)),
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into tally.stripe_unmapped (tenant_id, account, livemode, object_id, reason, seen_at)"
            " values (%(tenant_id)s, %(account)s, %(livemode)s, %(object_id)s, %(reason)s, %(now)s)"
            " on conflict (tenant_id, account, livemode, object_id) do update set reason = excluded.reason",
            [key.parameters(object_id=each.object_id, reason=each.reason) for each in unmapped],
        )
