"""The Stripe mirror: subscription items, billing periods, and what could not be mapped. Stripe is the truth here."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import psycopg

from tally.clock import Clock
from tally.erased_stripe_customers import under_pseudonyms
from tally.mapping_pauses import lift_pauses
from tally.push_rejections import release_mended
from tally.stripe.account import StripeAccount, is_shadow
from tally.stripe.meters import write_meters
from tally.stripe.mirror import (
    MirrorKey,
    SyncSummary,
    Unmapped,
    drop_items,
    end_items,
    write_items,
    write_periods,
    write_unmapped,
)
from tally.stripe.prices import ReadPrice, read_new_prices, write_prices
from tally.stripe.reads import reads_booked
from tally.stripe.subscriptions import MeteredItem, StripeMeter, read_metered_items, read_meters, read_subscription


def sync_subscriptions(
    connection: psycopg.Connection[Any], account: StripeAccount, tenant_id: str, clock: Clock
) -> SyncSummary:
    """Mirror the account's metered subscription items and their periods, in one transaction after everything is read.

    Idempotent; any number may run at once. What cannot be mapped is in the summary and in tally.stripe_unmapped.

    Raises:
        stripe.StripeError: a read failed; nothing was changed.
    """
    key = MirrorKey(tenant_id, account.account, account.livemode, clock.now())
    with reads_booked(connection, account, tenant_id, "sync", clock):
        meters = read_meters(account)
        items = [item for item in read_metered_items(account) if item.tenant_id in (None, tenant_id)]
        prices = read_new_prices(connection, account, tenant_id, items)
    return _mirror(connection, key, meters, items, prices)


def sync_subscription(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    tenant_id: str,
    clock: Clock,
    meters: Mapping[str, StripeMeter],
    subscription_id: str,
) -> SyncSummary:
    """The same for one subscription alone, read anew. `meters` are the account's by id, read not long ago.

    Raises:
        stripe.StripeError: a read failed; nothing was changed.
    """
    key = MirrorKey(tenant_id, account.account, account.livemode, clock.now())
    with reads_booked(connection, account, tenant_id, "sync", clock):
        items = [item for item in read_subscription(account, subscription_id) if item.tenant_id in (None, tenant_id)]
        if any(item.meter_id not in meters for item in items):
            meters = read_meters(account)
        prices = read_new_prices(connection, account, tenant_id, items)
    return _mirror(connection, key, meters, items, prices, subscription_id)


def _mirror(
    connection: psycopg.Connection[Any],
    key: MirrorKey,
    meters: Mapping[str, StripeMeter],
    items: list[MeteredItem],
    prices: list[ReadPrice],
    subscription_id: str | None = None,
) -> SyncSummary:
    """Store what was read, of all subscriptions or of one, in one transaction."""
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 7))", (f"stripe_sync {key.tenant_id}",))
        items = under_pseudonyms(connection, key.tenant_id, items)
        summary = _stored(connection, key, meters, items, subscription_id)
        write_prices(connection, key, prices, items)
        lift_pauses(connection, key, meters.values())
        release_mended(connection, key)
    return summary


def _stored(
    connection: psycopg.Connection[Any],
    key: MirrorKey,
    meters: Mapping[str, StripeMeter],
    items: list[MeteredItem],
    subscription_id: str | None,
) -> SyncSummary:
    summary = SyncSummary()
    write_meters(connection, key, meters.values())
    metrics = _metrics(connection, key)
    problems = _meter_problems(metrics, meters, items)
    looked_at = None
    if subscription_id is not None:
        looked_at = {item.item_id for item in items} | {item.meter_id for item in items}
        problems = {object_id: reason for object_id, reason in problems.items() if object_id in looked_at}
    mappable = [item for item in items if item.meter_id not in problems and not item.is_deleted_customer]
    summary.unmapped += [Unmapped(object_id, reason) for object_id, reason in problems.items()]
    if subscription_id is None:  # it takes all subscriptions to tell
        summary.unmapped += _shared_refs(mappable)
    # The live account's periods date events; a shadow takes part in them and cuts none.
    kept = mappable if is_shadow(key.account) else write_periods(connection, key, mappable, summary)
    write_items(connection, key, kept, metrics, meters)
    summary.items_ended = end_items(connection, key, items, subscription_id)
    drop_items(connection, key, {item.item_id for item in items} - {item.item_id for item in kept})
    write_unmapped(connection, key, summary.unmapped, looked_at)
    summary.items, summary.customers = len(kept), len({item.customer_ref for item in kept})
    return summary


def _metrics(connection: psycopg.Connection[Any], key: MirrorKey) -> dict[str, str]:
    rows = connection.execute(
        "select event_name, metric from tally.push_mappings"
        " where tenant_id = %(tenant_id)s and account = %(account)s and active",
        key.parameters(),
    ).fetchall()
    return dict(rows)


def _meter_problems(
    metrics: Mapping[str, str], meters: Mapping[str, StripeMeter], items: Iterable[MeteredItem]
) -> dict[str, str]:
    """By meter id, or by event name where no meter has it."""
    problems: dict[str, str] = {}
    for meter_id in {item.meter_id for item in items}:
        meter = meters.get(meter_id)
        if meter is None or meter.event_name not in metrics:
            name = meter.event_name if meter else "unknown"
            problems[meter_id] = f"no active price mapping names meter {name}: something else bills by it"
        elif meter.problem is not None:
            problems[meter_id] = meter.problem
    for event_name in metrics.keys() & {meter.event_name for meter in meters.values()}:
        # Nobody subscribes to it yet, and the mapping is no use as it is.
        named = [meter for meter in meters.values() if meter.event_name == event_name]
        if all(meter.problem is not None for meter in named):
            problems |= {meter.meter_id: str(meter.problem) for meter in named}
    for event_name in metrics.keys() - {meter.event_name for meter in meters.values()}:
        problems[event_name] = f"{metrics[event_name]} maps to {event_name}, but Stripe has no meter of that event name"
    return problems


def _shared_refs(items: Iterable[MeteredItem]) -> list[Unmapped]:
    customers: dict[str, set[str]] = defaultdict(set)
    for item in items:
        if item.ended_at is None:
            customers[item.customer_ref].add(item.stripe_customer_id)
    return [
        Unmapped(stripe_id, f"customer_ref {ref} names {len(ids)} Stripe customers: {', '.join(sorted(ids))}")
        for ref, ids in sorted(customers.items())
        if len(ids) > 1
        for stripe_id in sorted(ids)
    ]
