-- Customers in chunks of about so many deliveries. Parameters: replay_id, tenant_id, metrics, deliveries_a_chunk.
with sized as (
    select
        scope.customer_ref,
        sum(coalesce(size.deliveries, 0)) over (order by scope.customer_ref) as up_to
    from tally.replay_scope as scope
    cross join lateral (
        select sum(stored.deliveries) as deliveries
        from marts.usage_deliveries as stored
        where
            stored.tenant_id = %(tenant_id)s
            and stored.customer_ref = scope.customer_ref
            and stored.period_start >= scope.starts
            and stored.period_start < scope.ends
            and (%(metrics)s::text[] is null or stored.metric = any (%(metrics)s))
    ) as size
    where scope.replay_id = %(replay_id)s
)

update tally.replay_scope as scope
set chunk = sized.up_to / %(deliveries_a_chunk)s
from sized
where scope.replay_id = %(replay_id)s and scope.customer_ref = sized.customer_ref
