-- Parameters: replay_id, and the counters as equally long lists: customers, metrics, starts.
update tally.replay_changes as change
set is_held = true
from unnest(%(customers)s::text[], %(metrics)s::text[], %(starts)s::timestamptz[]) as held (customer_ref, metric, period_start)
where
    change.replay_id = %(replay_id)s
    and change.customer_ref = held.customer_ref
    and change.metric = held.metric
    and change.period_start = held.period_start
