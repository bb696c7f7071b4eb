"""A `CreditGrant` from Stripe's credit grant object and its available balance, which Stripe keeps apart."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import stripe

from tally.pricing.currency import currency_of
from tally.pricing.drawdown import DEFAULT_PRIORITY, CreditGrant
from tally.pricing.errors import AmountInvalid, UnknownModel


def grant_from_stripe(grant: stripe.billing.CreditGrant | Mapping[str, Any], available: int) -> CreditGrant:
    """The grant, of which `available` minor units are left (`available_balance` of its credit balance summary).

    A voided grant has nothing left. One whose prices are listed applies to those alone.

    Raises:
        PricingError: a subclass that names the field: an amount that is not monetary, more left than granted.
    """
    source: Mapping[str, Any] = grant.to_dict() if isinstance(grant, stripe.StripeObject) else grant
    amount = source["amount"]
    if amount.get("type") != "monetary":
        raise UnknownModel("amount.type", f"{amount.get('type')!r} is not monetary")
    granted = amount["monetary"]["value"]
    if not 0 <= available <= granted:
        raise AmountInvalid("available", f"{available} does not lie between 0 and the {granted} minor units granted")
    prices = source["applicability_config"]["scope"].get("prices")
    created = _moment(source["created"])
    expires_at, priority = source.get("expires_at"), source.get("priority")
    return CreditGrant(
        id=source["id"],
        currency=currency_of(amount["monetary"]["currency"], "amount.monetary.currency"),
        amount=granted,
        effective_at=_moment(source["effective_at"]) if source.get("effective_at") else created,
        created=created,
        expires_at=None if expires_at is None else _moment(expires_at),
        category=source["category"],
        priority=DEFAULT_PRIORITY if priority is None else priority,
        prices=frozenset(price["id"] for price in prices) if prices else None,
        applied=granted if source.get("voided_at") else granted - available,
    )


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
