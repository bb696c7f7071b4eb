{%- from 'billing_period.sql' import billing_period with context -%}
-- One step to whole periods, as events are dated and as they will be; run until it changes nothing.
-- Parameters: replay_id, tenant_id, metrics.
with wider as (
    select
        scope.customer_ref,
        least(scope.starts, dated.starts, first_period.period_start) as starts,
        greatest(scope.ends, dated.ends, last_period.period_end) as ends
    from tally.replay_scope as scope
    left join tally.tenants as tenant on tenant.tenant_id = %(tenant_id)s
    cross join lateral (
        select min(stored.period_start) as starts, max(stored.period_end) as ends
        from marts.usage_deliveries as stored
        where
            stored.tenant_id = %(tenant_id)s
            and stored.customer_ref = scope.customer_ref
            and (%(metrics)s::text[] is null or stored.metric = any (%(metrics)s))
            and stored.period_start < scope.ends
            and stored.period_end > scope.starts
    ) as dated
    cross join lateral (select scope.ends - interval '1 microsecond' as moment) as last_moment
    cross join lateral {{ billing_period('tenant.tenant_id', 'scope.customer_ref', 'scope.starts', 'tenant') }} as first_period
    cross join lateral {{ billing_period('tenant.tenant_id', 'scope.customer_ref', 'last_moment.moment', 'tenant') }} as last_period
    where scope.replay_id = %(replay_id)s
)

update tally.replay_scope as scope
set starts = wider.starts, ends = wider.ends
from wider
where
    scope.replay_id = %(replay_id)s
    and scope.customer_ref = wider.customer_ref
    and (scope.starts, scope.ends) is distinct from (wider.starts, wider.ends)
