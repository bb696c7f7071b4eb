-- The counters that a traced request's events moved. An event counts with its first delivery: a repeat moves nothing.
-- Parameters: tenant_id, xid, idempotency_keys, traceparent.
with moved as (
    select tenant_id, customer_ref, metric, period_start, xid, count(*) as events
    from ledger.int_usage_events_deduplicated
    where
        tenant_id = %(tenant_id)s
        and idempotency_key = any(%(idempotency_keys)s)
        and xid = %(xid)s::xid8
        and outcome = 'counted'
    group by tenant_id, customer_ref, metric, period_start, xid
),

traced as (
    insert into tally.traced_counters (tenant_id, customer_ref, metric, period_start, xid, traceparent)
    select tenant_id, customer_ref, metric, period_start, xid, %(traceparent)s from moved
    on conflict do nothing
)

select coalesce(sum(events), 0)::bigint, count(*) from moved
