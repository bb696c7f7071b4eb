"""Whose a shown replay is. No Dagster in here."""

from typing import Any

import psycopg

from tally.replay import UnknownHash


def tenant_of(connection: psycopg.Connection[Any], shown_hash: str) -> str:
    """The tenant that was shown this difference.

    Raises:
        UnknownHash: nobody was, or several tenants were shown the same.
    """
    rows = connection.execute(
        "select distinct tenant_id from tally.replays where starts_with(hash, %s) order by tenant_id", (shown_hash,)
    ).fetchall()
    match rows:
        case [(tenant_id,)]:
            return str(tenant_id)
        case []:
            raise UnknownHash(f"hash: no replay was shown under {shown_hash!r}: run replay_month to show it first")
        case _:
            named = ", ".join(tenant_id for (tenant_id,) in rows)
            raise UnknownHash(f"hash: {shown_hash!r} was shown to several tenants: set tenant to one of {named}")
