"""What a price charges, as the mirror has it: Stripe's terms, by account, mode and price."""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from tally.proof.billed_line import BilledLine

Terms = Mapping[str, Any]
PriceKey = tuple[str, bool, str]
# What an amount depends on. Names and labels may change at Stripe; these never do.
_DECIDING = (
    "id", "currency", "billing_scheme", "tiers_mode", "tiers", "unit_amount", "unit_amount_decimal",
    "transform_quantity",
)  # fmt: skip
_READ = """
select account, livemode, price_id, price
from tally.stripe_prices
where tenant_id = %s and price_id = any(%s)
"""


def mirrored_prices(connection: psycopg.Connection[Any], lines: Sequence[BilledLine]) -> dict[PriceKey, Terms]:
    """The terms of every price of the lines that the mirror has."""
    wanted = sorted({price_id for line in lines for price_id in line.price_ids})
    rows = connection.execute(_READ, (lines[0].tenant_id, wanted))
    return {(account, livemode, price_id): terms_of(price) for account, livemode, price_id, price in rows}


def terms_of(price: Mapping[str, Any]) -> Terms:
    """What decides amounts in a Stripe price; `recurring` says that it is metered."""
    terms = {name: price[name] for name in _DECIDING if price.get(name) is not None}
    return terms | {"recurring": {"usage_type": (price.get("recurring") or {}).get("usage_type")}}
