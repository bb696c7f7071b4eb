-- The chunk's differences, into the ledger; what is held stays. Parameters: replay_id, tenant_id.
delete from replay_moves as move
using tally.replay_changes as held
where
    held.replay_id = %(replay_id)s
    and held.is_held
    and held.customer_ref = move.customer_ref
    and held.metric = move.metric
    and held.period_start in (move.old_start, move.new_start);

insert into replay_written (tenant_id, customer_ref, metric, period_start)
select %(tenant_id)s, change.customer_ref, change.metric, change.period_start
from tally.replay_changes as change
inner join replay_customers as scope on change.customer_ref = scope.customer_ref
where
    change.replay_id = %(replay_id)s
    and not change.is_held
    and change.period_start >= scope.starts
    and change.period_start < scope.ends;

analyze replay_written;

update ledger.int_usage_events_deduplicated as event
set
    period_start = after.period_start,
    period_end = after.period_end,
    closes_at = after.closes_at,
    quantity = after.quantity,
    outcome = after.outcome,
    member = after.member,
    dimensions = after.dimensions
from replay_moves as move
inner join replay_int_usage_events_deduplicated as after using (tenant_id, idempotency_key)
where event.tenant_id = move.tenant_id and event.idempotency_key = move.idempotency_key;

update ledger.int_usage_events_conflicts as conflict
set first_quantity = after.quantity, first_period_start = after.period_start
from replay_moves as move
inner join replay_int_usage_events_deduplicated as after using (tenant_id, idempotency_key)
where conflict.tenant_id = move.tenant_id and conflict.idempotency_key = move.idempotency_key;
{% for table, shadow in derived %}
delete from {{ table }} as stored
using replay_written as written
where
    stored.tenant_id = written.tenant_id
    and stored.customer_ref = written.customer_ref
    and stored.metric = written.metric
    and stored.period_start = written.period_start;

insert into {{ table }}
select counted.*
from {{ shadow }} as counted
inner join replay_written as written using (tenant_id, customer_ref, metric, period_start)
{{- ';' if not loop.last }}
{% endfor %}
