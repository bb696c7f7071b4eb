{%- from 'wanted.sql' import wanted -%}
{%- from 'event_outcome.sql' import measured -%}
-- Every event of the counters asked about, beside its delivery as raw.usage_events has it now. What is returned is what the
-- delivery says; `fault` is how that contradicts the event as it was counted. A delivery of a detached day is not looked for.
-- Parameters: tenant_id, and the counters as equally long lists: customers, metrics, starts, ends, known_to.
with {{ wanted() }},

counted as (

    select coalesce(max(read_to), '0'::xid8) as up_to
    from tally.model_bounds
    where model = 'ledger.int_usage_counters'

),

events as materialized (

    select wanted.position, wanted.known_to, event.*
    from ledger.int_usage_events_deduplicated as event
    inner join wanted using (customer_ref, metric, period_start)
    where event.tenant_id = %(tenant_id)s
        and event.period_start = any(%(starts)s::timestamptz[])
        and event.xid < (select up_to from counted)

),

-- Inner, so that the payload's hash is worked out for the rows that match and for no other row of the scan.
deliveries as materialized (

    select delivery.*
    from staging.stg_usage_events as delivery
    inner join events as event
        on delivery.xid = event.xid
        and delivery.seq = event.seq
        and delivery.idempotency_key = event.idempotency_key
    where delivery.tenant_id = %(tenant_id)s
        and delivery.xid >= (select min(xid) from events)
        and delivery.xid <= (select max(xid) from events)

),

compared as (

    select
        event.position,
        event.idempotency_key,
        event.outcome,
        event.event_time,
        event.landed_at,
        event.seq,
        delivery.seq is null and detached.day is not null as is_archived,
        event.xid >= event.known_to as is_newer,
        coalesce(delivery.payload_hash, event.payload_hash) as payload_hash,
        case when delivery.seq is null then event.quantity else measured.quantity end as quantity,
        case when delivery.seq is null then event.member else measured.member end as member,
        case
            when delivery.seq is null and detached.day is not null then null
            when delivery.seq is null then 'its landed row is gone'
            when delivery.payload_hash <> event.payload_hash
                then 'its landed row says ' || trim_scale(delivery.quantity) || ' ' || delivery.metric || ' for '
                    || delivery.customer_ref || ' at ' || delivery.event_time || coalesce(' ' || delivery.properties, '')
                    || ', which is not what was counted' || coalesce(' (' || event.quantity || ')', '')
            when delivery.landed_at <> event.landed_at
                then 'its landed row says that it landed at ' || delivery.landed_at || ', it was counted as of ' || event.landed_at
            when delivery.event_time <> event.event_time
                then 'it happened at ' || delivery.event_time || ', it was counted as of ' || event.event_time
            when event.outcome <> 'unmetered' and measured.quantity is distinct from event.quantity
                then 'its payload measures ' || coalesce(measured.quantity::text, 'nothing') || ', it was counted with '
                    || coalesce(event.quantity::text, 'nothing')
            when event.outcome <> 'unmetered' and measured.member is distinct from event.member
                then 'its payload names ' || coalesce(measured.member, 'nothing') || ', it was counted as ' || coalesce(event.member, 'nothing')
            when event.outcome = 'counted' and event.landed_at >= event.closes_at
                then 'it counts, though it landed when its period took no events any more'
            when event.outcome = 'late' and event.landed_at < event.closes_at
                then 'it is left out as late, though it landed in time'
            when event.outcome = 'counted' and meter.filter <> '{}' and not tally.matches_filter(delivery.properties, meter.filter)
                then 'it counts, though the meter''s filter leaves it out'
            when event.event_time < event.period_start or event.event_time >= event.period_end
                then 'it happened outside its period'
        end as fault
    from events as event
    left join deliveries as delivery
        on event.xid = delivery.xid
        and event.seq = delivery.seq
        and event.idempotency_key = delivery.idempotency_key
    left join tally.detached_days as detached
        on (event.landed_at at time zone 'UTC')::date = detached.day
    left join tally.meters as meter
        on event.tenant_id = meter.tenant_id
        and event.metric = meter.metric
    cross join lateral {{ measured('delivery', 'meter') }} as measured

)

select
    position,
    idempotency_key,
    outcome,
    event_time,
    quantity,
    member,
    translate(payload_hash::text, '-', '') as payload_hash,
    is_archived,
    is_newer,
    fault
from compared
order by position, event_time, landed_at, seq
