"""What apps send again of erased events: an exact repeat is recognised by its key and hash, without the name."""

from typing import Any

import psycopg

# The door lands before anybody looks. No meter measures a repeat, so nothing of its properties stays.
_ERASE = """
update raw.usage_events as r
set
    customer_ref = event.customer_ref,
    payload_hash = event.payload_hash,
    properties = null
from ledger.int_usage_events_deduplicated as event
where r.tenant_id = %(tenant_id)s
    and r.landed_at >= (select min(erased_at) - interval '1 day' from tally.erasures where tenant_id = %(tenant_id)s)
    and event.tenant_id = r.tenant_id
    and event.idempotency_key = r.idempotency_key
    and event.customer_ref in (select pseudonym from tally.erasures where tenant_id = %(tenant_id)s)
    and event.customer_ref <> r.customer_ref
    and (event.xid, event.seq) <> (r.xid, r.seq)
    and tally.payload_hash(r.customer_ref, r.metric, r.quantity, r.event_time, r.properties) = event.payload_hash
"""


def erase_repeats(connection: psycopg.Connection[Any], tenant_id: str) -> int:
    """Erase the landed repeats of erased events, of all erased customers of the tenant; returns how many.

    Reads what landed since the first erasure. Safe to repeat, and beside ticks: nothing but the name differs.
    """
    if connection.execute("select to_regclass('ledger.int_usage_events_deduplicated') is null").fetchone() == (True,):
        return 0
    return connection.execute(_ERASE, {"tenant_id": tenant_id}).rowcount
