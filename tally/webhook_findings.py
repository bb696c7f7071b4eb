"""What webhooks brought to light that a person should know, as sentences; none when all is well."""

from collections.abc import Iterator
from typing import Any

import psycopg

# A handler comes by within a minute where one runs; Stripe's errors of the last day are news, older ones are history.
_PAUSED = """
select event_name, account, livemode, paused_at, reason from tally.mapping_pauses
where tenant_id = %(tenant_id)s order by event_name, account, livemode
"""
_REJECTED = """
select rejected_code, count(*), count(distinct (account, livemode, customer_ref, metric, period_start))
from tally.push_intents
where tenant_id = %(tenant_id)s and state = 'rejected' and rejected_at is not null
group by rejected_code order by rejected_code
"""
_UNNAMED = """
select event_id, code, event_name, error_count - sampled, questioned from tally.meter_error_reports
where tenant_id = %(tenant_id)s and error_count > sampled and reported_at > tally.now() - interval '1 day'
order by reported_at, event_id, code
"""
_WEBHOOKS = """
select
    count(*) filter (where state = 'failed'),
    count(*) filter (where state = 'received' and received_at < clock_timestamp() - interval '15 minutes'),
    min(received_at) filter (where state = 'received')
from tally.stripe_webhooks
where account in (select account from tally.push_mappings where tenant_id = %(tenant_id)s)
  and state in ('received', 'failed')
"""


def webhook_findings(connection: psycopg.Connection[Any], tenant_id: str) -> tuple[str, ...]:
    """Of one tenant: mappings paused, intents dropped, errors that no report names, webhooks that nobody handled."""
    return tuple(_findings(connection, {"tenant_id": tenant_id}))


def _findings(connection: psycopg.Connection[Any], tenant: dict[str, Any]) -> Iterator[str]:
    for event_name, account, livemode, paused_at, reason in connection.execute(_PAUSED, tenant):
        mode = "live" if livemode else "test"
        yield f"nothing goes to {event_name} ({account}, {mode}) since {paused_at:%Y-%m-%d %H:%M:%S}Z: {reason}"
    for code, intents, counters in connection.execute(_REJECTED, tenant):
        yield (
            f"Stripe accepted {intents} push intents of {counters} counters and dropped them later ({code}):"
            " mend the cause, then `tally push --retry-refused`"
        )
    for event_id, code, event_name, unnamed, questioned in connection.execute(_UNNAMED, tenant):
        yield (
            f"Stripe dropped {unnamed} events of {event_name or 'an unknown meter'} ({code}) that its report does not"
            f" name, {questioned} intents are in doubt: `tally webhooks show {event_id}`, `tally reconcile`"
        )
    for failed, waiting, since in connection.execute(_WEBHOOKS, tenant):
        if failed:
            yield f"{failed} webhooks failed: `tally webhooks list --state failed`"
        if waiting:
            yield f"{waiting} webhooks wait, the first since {since:%Y-%m-%d %H:%M:%S}Z: `tally webhooks handle`"
