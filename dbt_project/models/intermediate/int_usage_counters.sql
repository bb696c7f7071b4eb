{{ config(on_conflict='replace') }}

-- What just landed is beyond the planner's statistics: one sort, then aggregation, and one probe of the primary key per counter
-- for what is known of it. What needs every value of the period looks only at the touched counters of such a metric.
with counted_events as (

    select
        tenant_id,
        customer_ref,
        metric,
        period_start,
        period_end,
        closes_at,
        event_time,
        landed_at,
        seq,
        xid,
        quantity,
        row_number() over (
            partition by tenant_id, customer_ref, metric, period_start
            order by event_time desc, landed_at desc, seq desc
        ) = 1 as is_last
    from {{ ref('int_usage_events_deduplicated') }}
    where {{ landed_in_window() }}
        and outcome = 'counted'

),

fresh as (

    select
        tenant_id,
        customer_ref,
        metric,
        period_start,
        max(period_end) as period_end,
        max(closes_at) as closes_at,
        count(*) as event_count,
        sum(quantity) as quantity_sum,
        min(quantity) as quantity_min,
        max(quantity) as quantity_max,
        max(quantity) filter (where is_last) as last_quantity,
        max(event_time) filter (where is_last) as last_event_time,
        max(landed_at) filter (where is_last) as last_landed_at,
        max(seq) filter (where is_last) as last_seq,
        max(xid) as newest_xid
    from counted_events
    group by 1, 2, 3, 4

),

merged as (

    select
        fresh.tenant_id,
        fresh.customer_ref,
        fresh.metric,
        fresh.period_start,
        greatest(known.period_end, fresh.period_end) as period_end,
        greatest(known.closes_at, fresh.closes_at) as closes_at,
        coalesce(known.event_count, 0) + fresh.event_count as event_count,
        coalesce(known.quantity_sum, 0) + fresh.quantity_sum as quantity_sum,
        least(known.quantity_min, fresh.quantity_min) as quantity_min,
        greatest(known.quantity_max, fresh.quantity_max) as quantity_max,
        case when known_is_later.so then known.last_quantity else fresh.last_quantity end as last_quantity,
        case when known_is_later.so then known.last_event_time else fresh.last_event_time end as last_event_time,
        case when known_is_later.so then known.last_landed_at else fresh.last_landed_at end as last_landed_at,
        case when known_is_later.so then known.last_seq else fresh.last_seq end as last_seq,
        coalesce(known.member_count, 0) as known_members,
        fresh.newest_xid
    from fresh
    left join lateral (
        select *
        from {{ this }} as stored
        where stored.tenant_id = fresh.tenant_id
            and stored.customer_ref = fresh.customer_ref
            and stored.metric = fresh.metric
            and stored.period_start = fresh.period_start
        limit 1
    ) as known on true
    -- Null where no counter is known yet: then the fresh one is the last.
    cross join lateral (
        select
            (known.last_event_time, known.last_landed_at, known.last_seq)
            > (fresh.last_event_time, fresh.last_landed_at, fresh.last_seq) as so
    ) as known_is_later

),

new_members as (

    select
        tenant_id,
        customer_ref,
        metric,
        period_start,
        count(*) as members
    from {{ ref('int_usage_value_counts') }}
    where {{ landed_in_window(column='first_xid') }}
    group by 1, 2, 3, 4

)

select
    merged.tenant_id,
    merged.customer_ref,
    merged.metric,
    merged.period_start,
    merged.period_end,
    merged.closes_at,
    merged.event_count,
    merged.quantity_sum,
    merged.quantity_min,
    merged.quantity_max,
    merged.last_quantity,
    merged.last_event_time,
    merged.last_landed_at,
    merged.last_seq,
    case
        when meter.aggregation = 'unique' then merged.known_members + coalesce(new_members.members, 0)
    end as member_count,
    ranked.percentile_quantity,
    held.unit_microseconds as held_unit_microseconds,
    held.first_event_time,
    merged.newest_xid
from merged
left join {{ ref('stg_meters') }} as meter
    on merged.tenant_id = meter.tenant_id
    and merged.metric = meter.metric
left join new_members
    on merged.tenant_id = new_members.tenant_id
    and merged.customer_ref = new_members.customer_ref
    and merged.metric = new_members.metric
    and merged.period_start = new_members.period_start
left join lateral {{ nearest_rank('merged', 'meter') }} as ranked on true
left join lateral {{ held_quantity('merged', 'meter') }} as held on true
