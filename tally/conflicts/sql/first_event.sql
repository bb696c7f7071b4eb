-- The event as the ledger counts it. Parameters: tenant_id, idempotency_key, replacement_key.
select
    event.customer_ref,
    event.metric,
    event.period_start,
    event.period_end,
    event.closes_at,
    event.outcome,
    exists (
        select from tally.event_reversals as reversal
        where reversal.tenant_id = event.tenant_id and reversal.idempotency_key = event.idempotency_key
    ) as is_reversed,
    exists (
        select from ledger.int_usage_events_deduplicated as taken
        where taken.tenant_id = event.tenant_id and taken.idempotency_key = %(replacement_key)s
    ) as is_replacement_taken
from ledger.int_usage_events_deduplicated as event
where event.tenant_id = %(tenant_id)s and event.idempotency_key = %(idempotency_key)s
