"""Stripe customers of erased ones: what Stripe still calls by name is the pseudonym's here."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import psycopg

from tally.stripe.subscriptions import MeteredItem


def under_pseudonyms(
    connection: psycopg.Connection[Any], tenant_id: str, items: Iterable[MeteredItem]
) -> list[MeteredItem]:
    """The items, each under the name that the ledger has for its customer."""
    erased: dict[str, str] = dict(
        connection.execute(
            "select stripe_customer_id, pseudonym from tally.erased_stripe_customers where tenant_id = %s", (tenant_id,)
        ).fetchall()
    )
    return [replace(item, customer_ref=erased.get(item.stripe_customer_id, item.customer_ref)) for item in items]
