"""Reading subscriptions from Stripe: every metered item, with its meter, customer and period."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import stripe

from tally.periods import Cycle, Period, cycle
from tally.stripe.account import StripeAccount

_PAGE = 100
# The keys of a meter event's payload that a push sends; Stripe's defaults.
_PAYLOAD_KEYS = ("stripe_customer_id", "value")


@dataclass(frozen=True)
class StripeMeter:
    """A meter; `problem` says why no counter can go there, None when one can. A formula `last` is sent whole values."""

    meter_id: str
    event_name: str
    formula: str
    is_active: bool
    problem: str | None


@dataclass(frozen=True)
class MeteredItem:
    """A subscription item billed by a meter. `ended_at` is when the subscription ended, or will.

    `price` is Stripe's price object as JSON, without its tiers.
    """

    item_id: str
    subscription_id: str
    subscription_status: str
    stripe_customer_id: str
    is_deleted_customer: bool
    customer_ref: str
    tenant_id: str | None
    meter_id: str
    price_id: str
    price: Mapping[str, Any]
    repeats: Cycle
    current: Period
    started_at: datetime
    ended_at: datetime | None
    ends_at: datetime | None
    trial_starts_at: datetime | None
    trial_ends_at: datetime | None


def read_meters(account: StripeAccount) -> dict[str, StripeMeter]:
    """Every meter of the account by id, deactivated ones too."""
    account.reads.wait()
    page = account.client.v1.billing.meters.list({"limit": _PAGE}, account.options())
    return {meter.id: _meter(meter) for meter in page.auto_paging_iter()}


def read_metered_items(account: StripeAccount) -> Iterator[MeteredItem]:
    """Every metered item of every subscription, ended ones too; in test mode also those on test clocks.

    Stripe leaves customers on a test clock out of a list unless that clock is asked for.
    """
    clocks: list[str | None] = [None]
    if not account.livemode:
        account.reads.wait()
        listed = account.client.v1.test_helpers.test_clocks.list({"limit": _PAGE}, account.options())
        clocks += [clock.id for clock in listed.auto_paging_iter()]
    for clock in clocks:
        parameters: dict[str, Any] = {"status": "all", "limit": _PAGE, "expand": ["data.customer"]}
        if clock is not None:
            parameters["test_clock"] = clock
        account.reads.wait()
        # Only now a TypedDict: test_clock must be absent, not None, to mean "no clock".
        page = account.client.v1.subscriptions.list(parameters, account.options())  # type: ignore[arg-type]
        for subscription in page.auto_paging_iter():
            yield from _metered_items(subscription)


def read_subscription(account: StripeAccount, subscription_id: str) -> list[MeteredItem]:
    """The metered items of one subscription, ended or not; none where Stripe has no such subscription."""
    account.reads.wait()
    try:
        subscription = account.client.v1.subscriptions.retrieve(
            subscription_id, {"expand": ["customer"]}, account.options()
        )
    except stripe.InvalidRequestError as error:
        if error.http_status == 404:  # a test clock takes its subscriptions along
            return []
        raise
    return list(_metered_items(subscription))


def _metered_items(subscription: stripe.Subscription) -> Iterator[MeteredItem]:
    customer = subscription.customer
    if isinstance(customer, str):
        raise TypeError(f"subscription {subscription.id}: its customer came as an id although it was to be expanded")
    metadata = customer.metadata.to_dict() if not _is_deleted(customer) and customer.metadata else {}
    for item in subscription["items"].auto_paging_iter():
        recurring = item.price.recurring
        if recurring is None or recurring.meter is None:
            continue
        yield MeteredItem(
            item_id=item.id,
            subscription_id=subscription.id,
            subscription_status=subscription.status,
            stripe_customer_id=customer.id,
            is_deleted_customer=_is_deleted(customer),
            customer_ref=metadata.get("customer_ref") or customer.id,
            tenant_id=metadata.get("tenant_id"),
            meter_id=recurring.meter,
            price_id=item.price.id,
            price=item.price.to_dict(for_json=True),
            repeats=cycle(_moment(subscription.billing_cycle_anchor), recurring.interval, recurring.interval_count),
            current=_current(item, subscription.ended_at),
            # A later item counts from its own start, a first one from the subscription's, which may be backdated.
            started_at=_moment(
                item.created if item.created > subscription.created else min(subscription.start_date, item.created)
            ),
            ended_at=_moment(subscription.ended_at) if subscription.ended_at else None,
            ends_at=_moment(subscription.cancel_at) if subscription.cancel_at else None,
            trial_starts_at=_moment(subscription.trial_start) if subscription.trial_start else None,
            trial_ends_at=_moment(subscription.trial_end) if subscription.trial_end else None,
        )


def _current(item: stripe.SubscriptionItem, ended_at: int | None) -> Period:
    """The item's period; one that its subscription's end cut short ends there."""
    start, end = item.current_period_start, item.current_period_end
    return Period(_moment(start), _moment(ended_at if ended_at is not None and start < ended_at < end else end))


def _meter(meter: stripe.billing.Meter) -> StripeMeter:
    formula = meter.default_aggregation.formula
    return StripeMeter(meter.id, meter.event_name, formula, meter.status == "active", _problem(meter))


def _problem(meter: stripe.billing.Meter) -> str | None:
    formula, keys = (
        meter.default_aggregation.formula,
        (
            meter.customer_mapping.event_payload_key,
            meter.value_settings.event_payload_key,
        ),
    )
    if meter.status != "active":
        return f"meter {meter.event_name} is {meter.status}: Stripe would lose events sent to it"
    if formula == "count":
        return (
            f"meter {meter.event_name} counts events, whatever their value: a difference of 1,000 would bill 1;"
            " it takes a meter of formula sum, or last"
        )
    if formula not in ("sum", "last"):
        return f"meter {meter.event_name} aggregates by {formula}: it takes one of formula sum, or last"
    if meter.event_time_window is not None:
        return f"meter {meter.event_name} keeps only the last event per {meter.event_time_window}: deltas would be lost"
    if keys != _PAYLOAD_KEYS:
        return f"meter {meter.event_name} reads payload keys {keys}: only {_PAYLOAD_KEYS} are sent"
    return None


def _is_deleted(customer: stripe.Customer) -> bool:
    return bool(getattr(customer, "deleted", False))


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
