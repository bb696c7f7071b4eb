"""Stripe's prices in the mirror: what each charges, tiers included, and which price an item has had since when."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from tally.stripe.account import StripeAccount
from tally.stripe.mirror import MirrorKey
from tally.stripe.subscriptions import MeteredItem

_KNOWN = """
select price_id from tally.stripe_prices
where tenant_id = %(tenant_id)s and account = %(account)s and livemode = %(livemode)s
"""
_INSERT_PRICE = """
insert into tally.stripe_prices (tenant_id, account, livemode, price_id, price, read_at)
values (%(tenant_id)s, %(account)s, %(livemode)s, %(price_id)s, %(price)s, %(now)s)
on conflict do nothing
"""
# An item's first price has been its price from the start; a later one since the sync that first saw it.
_NOTE_ITEM_PRICE = """
insert into tally.stripe_item_prices (tenant_id, account, livemode, item_id, from_at, price_id)
select
    %(tenant_id)s, %(account)s, %(livemode)s, %(item_id)s,
    case when newest.price_id is null then %(started_at)s else %(now)s end,
    %(price_id)s
from (select 1) as this
left join lateral (
    select price_id
    from tally.stripe_item_prices
    where tenant_id = %(tenant_id)s and account = %(account)s and livemode = %(livemode)s and item_id = %(item_id)s
    order by from_at desc
    limit 1
) as newest on true
where newest.price_id is distinct from %(price_id)s
on conflict do nothing
"""


@dataclass(frozen=True)
class ReadPrice:
    """Stripe's price object as JSON, numbers with decimals as text."""

    price_id: str
    document: Mapping[str, Any]


def read_new_prices(
    connection: psycopg.Connection[Any], account: StripeAccount, tenant_id: str, items: Iterable[MeteredItem]
) -> list[ReadPrice]:
    """The items' prices that the mirror lacks. Only tiers cost a call: Stripe leaves them out of a subscription.

    Raises:
        stripe.StripeError: a read failed.
    """
    scope = {"tenant_id": tenant_id, "account": account.account, "livemode": account.livemode}
    known = {price_id for (price_id,) in connection.execute(_KNOWN, scope).fetchall()}
    new = {item.price_id: item.price for item in items if item.price_id not in known}
    read = []
    for price_id, document in new.items():
        if document.get("billing_scheme") == "tiered":
            account.reads.wait()
            price = account.client.v1.prices.retrieve(price_id, {"expand": ["tiers"]}, account.options())
            document = price.to_dict(for_json=True)
        read.append(ReadPrice(price_id, document))
    return read


def write_prices(
    connection: psycopg.Connection[Any], key: MirrorKey, prices: Iterable[ReadPrice], items: Iterable[MeteredItem]
) -> None:
    """Store new prices, and for each item that its price is another one than before."""
    documents = [key.parameters(price_id=each.price_id, price=Jsonb(dict(each.document))) for each in prices]
    noted = [key.parameters(item_id=item.item_id, price_id=item.price_id, started_at=item.started_at) for item in items]
    with connection.cursor() as cursor:
        cursor.executemany(_INSERT_PRICE, documents)
        cursor.executemany(_NOTE_ITEM_PRICE, noted)
