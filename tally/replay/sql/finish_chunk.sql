-- Behind the models: repeats whose landed rows are gone, and the counters as they would stand beside what is out of scope.
-- Parameters: tenant_id, metrics.
with lost as (
    select
        stored.customer_ref,
        stored.metric,
        stored.period_start,
        greatest(stored.duplicates - coalesce(found.duplicates, 0), 0) as duplicates,
        greatest(stored.conflicts - coalesce(found.conflicts, 0), 0) as conflicts
    from (
        select distinct event.customer_ref, event.metric, event.period_start
        from replay_events_before as event
        inner join replay_kept as kept using (tenant_id, idempotency_key)
        where not kept.has_landed
    ) as incomplete
    inner join marts.usage_deliveries as stored
        on stored.tenant_id = %(tenant_id)s
        and stored.customer_ref = incomplete.customer_ref
        and stored.metric = incomplete.metric
        and stored.period_start = incomplete.period_start
    left join (
        select
            event.customer_ref,
            event.metric,
            event.period_start,
            count(*) filter (where delivery.payload_hash = event.payload_hash) as duplicates,
            count(*) filter (where delivery.payload_hash <> event.payload_hash) as conflicts
        from replay_stg_usage_events as delivery
        inner join replay_events_before as event using (tenant_id, idempotency_key)
        where (delivery.xid, delivery.seq) <> (event.xid, event.seq)
        group by 1, 2, 3
    ) as found
        on stored.customer_ref = found.customer_ref
        and stored.metric = found.metric
        and stored.period_start = found.period_start
)

update replay_usage_deliveries as counted
set
    deliveries = counted.deliveries + lost.duplicates + lost.conflicts,
    duplicates = counted.duplicates + lost.duplicates,
    conflicts = counted.conflicts + lost.conflicts
from lost
where
    counted.customer_ref = lost.customer_ref
    and counted.metric = lost.metric
    and counted.period_start = lost.period_start;

insert into replay_counters_before
select counter.*
from ledger.int_usage_counters as counter
inner join replay_customers as scope on counter.customer_ref = scope.customer_ref
where
    counter.tenant_id = %(tenant_id)s
    and (%(metrics)s::text[] is null or counter.metric = any (%(metrics)s));

insert into replay_counters_after
select counter.*
from replay_counters_before as counter
inner join replay_customers as scope on counter.customer_ref = scope.customer_ref
where counter.period_start < scope.starts or counter.period_start >= scope.ends;

insert into replay_counters_after
select * from replay_int_usage_counters;

analyze replay_counters_before;
analyze replay_counters_after;

insert into tally.replay_events (replay_id, customer_ref, metric, events, late_events, without_landing, decided)
select
    %(replay_id)s::uuid,
    event.customer_ref,
    event.metric,
    count(*),
    count(*) filter (where event.outcome = 'late'),
    count(*) filter (where not kept.has_landed),
    count(*) filter (where kept.is_decided)
from replay_int_usage_events_deduplicated as event
left join replay_kept as kept using (tenant_id, idempotency_key)
group by 2, 3
