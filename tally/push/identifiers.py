"""The names that a push goes by. An identifier is derived from its intent, so a retry can never invent another one."""

import hashlib
from datetime import UTC, datetime
from decimal import Decimal

PREFIX = "tl1."


def identifier(
    account: str,
    livemode: bool,
    tenant_id: str,
    stripe_customer_id: str,
    event_name: str,
    customer_ref: str,
    metric: str,
    period_start: datetime,
    seq: int,
) -> str:
    """The Stripe `identifier` of a counter's `seq`-th intent: 36 characters that name no customer.

    A hash of the whole key, in the same words as `sql/candidates.sql`, which a test holds equal to this. The Stripe
    customer and meter are part of it: the same counter re-mapped to another customer is another event for Stripe.
    """
    start = period_start.astimezone(UTC)
    words = (
        account, "live" if livemode else "test", tenant_id, stripe_customer_id, event_name, customer_ref, metric,
        start.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), str(seq),
    )  # fmt: skip
    return PREFIX + hashlib.sha256("\x1f".join(words).encode()).hexdigest()[:32]


def as_text(value: Decimal) -> str:
    """A quantity as Stripe takes it: plain digits, no exponent, no zeros at the end of a fraction."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
