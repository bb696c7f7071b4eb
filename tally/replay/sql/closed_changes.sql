-- The chunk's changes, and which of them a closed counter forbids. Parameters: replay_id, tenant_id.
select
    change.customer_ref,
    change.metric,
    change.period_start,
    change.is_closed and (
        change.value_before is distinct from change.value_after or change.events_before <> change.events_after
    ) as is_closed,
    coalesce(meter.aggregation = 'time_weighted_sum', false) as is_gauge
from tally.replay_changes as change
inner join replay_customers as scope on change.customer_ref = scope.customer_ref
left join tally.meters as meter on meter.tenant_id = %(tenant_id)s and change.metric = meter.metric
where change.replay_id = %(replay_id)s
