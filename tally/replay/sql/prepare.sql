-- The temporary tables of a transaction, and the counters' values before and after as views on them.
set local work_mem = '64MB';
-- Fresh tables have no statistics: the planner would loop over one for each row of another.
set local enable_nestloop = off;
set local enable_mergejoin = off;
create temp table replay_customers (customer_ref text primary key, starts timestamptz, ends timestamptz) on commit drop;
create temp table replay_events_before (like {{ events }} including all) on commit drop;
create temp table replay_stg_usage_events (like staging.stg_usage_events) on commit drop;
create temp table replay_kept (
    tenant_id text, idempotency_key text, has_landed boolean, is_decided boolean, primary key (tenant_id, idempotency_key)
) on commit drop;
create temp table replay_moves (
    tenant_id text, idempotency_key text, customer_ref text, metric text, old_start timestamptz, new_start timestamptz
) on commit drop;
create temp table replay_written (tenant_id text, customer_ref text, metric text, period_start timestamptz) on commit drop;
{% for model in models %}
create temp table {{ shadow_of(model.name) }} (like {{ model.relation }} including all) on commit drop;
{% endfor %}
{% for side in ('before', 'after') %}
create temp table replay_counters_{{ side }} (like {{ counters }} including all) on commit drop;
create temp view replay_gauges_{{ side }} as {{ gauges[side] }};
create temp view replay_values_{{ side }} as {{ values[side] }};
{% endfor %}
