"""What webhooks brought to light that a person should know, and none when all is well."""

from collections.abc import Iterator
from typing import Any

import psycopg

from tally.finding import Finding

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


def webhook_findings(connection: psycopg.Connection[Any], tenant_id: str) -> tuple[Finding, ...]:
    """Of one tenant: mappings paused, intents dropped, errors that no report names, webhooks that nobody handled."""
    return tuple(_findings(connection, {"tenant_id": tenant_id}))


def _findings(connection: psycopg.Connection[Any], tenant: dict[str, Any]) -> Iterator[Finding]:
    for event_name, account, livemode, paused_at, reason in connection.execute(_PAUSED, tenant):
        meter = f"{event_name} ({account}, {'live' if livemode else 'test'})"
        yield Finding(
            "mapping_paused", meter, f"nothing goes to {meter} since {paused_at:%Y-%m-%d %H:%M:%S}Z: {reason}"
        )
    for code, intents, counters in connection.execute(_REJECTED, tenant):
        sentence = (
            f"Stripe accepted {intents} push intents of {counters} counters and dropped them later ({code}):"
            " mend the cause, then `tally push --retry-refused`"
        )
        yield Finding("intents_rejected", str(code), sentence)
    for event_id, code, event_name, unnamed, questioned in connection.execute(_UNNAMED, tenant):
        sentence = (
            f"Stripe dropped {unnamed} events of {event_name or 'an unknown meter'} ({code}) that its report does not"
            f" name, {questioned} intents are in doubt: `tally webhooks show {event_id}`, `tally reconcile`"
        )
        yield Finding("drops_unnamed", f"{event_id} {code}", sentence)
    for failed, waiting, since in connection.execute(_WEBHOOKS, tenant):
        if failed:
            sentence = f"{failed} webhooks failed: `tally webhooks list --state failed`"
            yield Finding("webhooks_failed", "webhooks", sentence)
        if waiting:
            sentence = f"{waiting} webhooks wait, the first since {since:%Y-%m-%d %H:%M:%S}Z: `tally webhooks handle`"
            yield Finding("webhooks_waiting", "webhooks", sentence)
