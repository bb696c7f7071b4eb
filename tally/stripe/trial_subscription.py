"""A first customer to try things with: subscribed, in test mode only, to what the tenant maps to Stripe."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

import psycopg
import stripe
from stripe.params import PriceCreateParams

from tally.errors import TallyError
from tally.stripe.account import StripeAccount
from tally.stripe.subscriptions import read_meters

_MAPPED = """
select metric, event_name from tally.price_mappings
where tenant_id = %s and account = %s and active
order by metric
"""
_BILLED = """
select metric, stripe_customer_id from tally.stripe_subscription_items
where tenant_id = %s and account = %s and not livemode and customer_ref = %s and ended_at is null
"""


@dataclass(frozen=True)
class Subscribed:
    """What was made. `metrics`: billed from now on; `already`: were billed before, and nothing was made for them."""

    account: str
    customer_ref: str
    customer_id: str | None
    subscription_id: str | None
    metrics: tuple[str, ...]
    already: tuple[str, ...]


def subscribe(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    tenant_id: str,
    customer_ref: str,
    unit_amount: Decimal,
    currency: str,
    *,
    dry_run: bool = False,
) -> Subscribed:
    """Make what is missing of meters, a customer and a monthly subscription; `unit_amount` is in whole `currency`.

    What the customer has is read from the mirror: sync before. Sync again afterwards, and events are dated by it.

    Raises:
        TallyError: the account is in live mode, or the tenant maps no metric to it.
        stripe.StripeError: a call failed; what was made before it stays, and nobody is charged in test mode.
    """
    if account.livemode:
        raise TallyError("`tally subscribe` makes prices and a subscription to try things with: give it a test key")
    mapped = dict(connection.execute(_MAPPED, (tenant_id, account.account)).fetchall())
    if not mapped:
        raise TallyError(
            f"{tenant_id} maps no metric to Stripe: give a meter a `stripe` event_name and `tally apply` it"
        )
    billed = dict(connection.execute(_BILLED, (tenant_id, account.account, customer_ref)).fetchall())
    missing = {metric: event_name for metric, event_name in mapped.items() if metric not in billed}
    already = tuple(metric for metric in mapped if metric in billed)
    customer_id = next(iter(billed.values()), None)
    if dry_run or not missing:
        return Subscribed(account.account, customer_ref, customer_id, None, tuple(missing), already)
    meters = _meters(account, missing)
    customer_id = customer_id or _customer(account, customer_ref)
    cents = unit_amount.scaleb(2)
    items = [{"price": _price(account, metric, meters[metric], cents, currency)} for metric in missing]
    subscription = account.client.v1.subscriptions.create(
        {
            "customer": customer_id,
            "items": cast(Any, items),
            # Nothing is charged: no payment method is needed.
            "collection_method": "send_invoice",
            "days_until_due": 30,
        },
        account.options(),
    )
    return Subscribed(account.account, customer_ref, customer_id, subscription.id, tuple(missing), already)


def _meters(account: StripeAccount, event_names: Mapping[str, str]) -> dict[str, str]:
    """Meter ids by metric; those that the account has are taken as they are."""
    active = {meter.event_name: meter.meter_id for meter in read_meters(account).values() if meter.is_active}
    return {metric: active.get(name) or _meter(account, metric, name) for metric, name in event_names.items()}


def _meter(account: StripeAccount, metric: str, event_name: str) -> str:
    made = account.client.v1.billing.meters.create(
        {"display_name": metric, "event_name": event_name, "default_aggregation": {"formula": "sum"}},
        account.options(),
    )
    return made.id


def _customer(account: StripeAccount, customer_ref: str) -> str:
    made = account.client.v1.customers.create(
        {"name": customer_ref, "metadata": {"customer_ref": customer_ref}}, account.options()
    )
    return made.id


def _price(account: StripeAccount, metric: str, meter_id: str, cents: Decimal, currency: str) -> str:
    price: PriceCreateParams = {
        "currency": currency,
        "nickname": metric,
        "product_data": {"name": metric},
        "recurring": {"interval": "month", "usage_type": "metered", "meter": meter_id},
        "unit_amount_decimal": cents,
    }
    made: stripe.Price = account.client.v1.prices.create(price, account.options())
    return made.id
