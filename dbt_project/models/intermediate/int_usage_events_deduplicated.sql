{#- brin: a hundredth of a byte an event, and `tally explain` reads one period's pages instead of the whole table. -#}
{{ config(
    at_the_door=true,
    on_conflict='nothing',
    indexes=[{'columns': ['xid']}, {'columns': ['period_start'], 'type': 'brin'}]
) }}

with first_deliveries as (

    -- Windows follow xid, so the first delivery within this window is the first ever, unless the key is known already.
    select distinct on (tenant_id, idempotency_key)
        tenant_id,
        idempotency_key,
        customer_ref,
        metric,
        quantity,
        event_time,
        properties,
        landed_at,
        seq,
        xid,
        payload_hash
    from {{ ref('stg_usage_events') }}
    where {{ landed_in_window() }}
    order by tenant_id, idempotency_key, xid, seq

)

select
    period.period_start,
    period.period_end,
    closing.closes_at,
    event.event_time,
    event.landed_at,
    event.seq,
    event.xid,
    event.payload_hash,
    measured.quantity,
    event.tenant_id,
    event.idempotency_key,
    event.customer_ref,
    event.metric,
    {{ event_outcome('event', 'meter', 'measured', 'closing', 'reversal') }} as outcome,
    measured.member,
    measured.dimensions
from first_deliveries as event
left join {{ ref('stg_tenants') }} as tenant
    on event.tenant_id = tenant.tenant_id
left join {{ ref('stg_meters') }} as meter
    on event.tenant_id = meter.tenant_id
    and event.metric = meter.metric
left join {{ ref('stg_event_reversals') }} as reversal
    on event.tenant_id = reversal.tenant_id
    and event.idempotency_key = reversal.idempotency_key
cross join lateral {{ measured('event', 'meter') }} as measured
cross join lateral {{ billing_period('event.tenant_id', 'event.customer_ref', 'event.event_time', 'tenant') }} as period
-- In UTC, so that a window of days is whole 24-hour days whatever the session's zone.
cross join lateral (
    select
        (period.closes_with at time zone 'UTC' + coalesce(meter.lateness_window, interval '48 hours')) at time zone 'UTC'
            as closes_at
) as closing
