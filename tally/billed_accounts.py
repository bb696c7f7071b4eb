"""Which Stripe account bills for whom: pairs that pushes, syncs and totals go through one by one."""

import psycopg


def billed_accounts(connection: psycopg.Connection) -> list[tuple[str, str]]:
    """Every (tenant_id, account) with an active price mapping; "self" is the account of the API key."""
    return connection.execute(
        "select distinct tenant_id, account from tally.price_mappings where active order by tenant_id, account"
    ).fetchall()
