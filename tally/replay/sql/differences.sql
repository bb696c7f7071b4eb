-- The chunk's counters of which anything differs. Parameters: replay_id, tenant_id, metrics.
with differing as (
{%- for table, shadow in derived %}
    {{ 'union' if not loop.first }}
    select customer_ref, metric, period_start
    from (
        (
            select stored.*
            from {{ table }} as stored
            inner join replay_customers as scope on stored.customer_ref = scope.customer_ref
            where
                stored.tenant_id = %(tenant_id)s
                and stored.period_start >= scope.starts
                and stored.period_start < scope.ends
                and (%(metrics)s::text[] is null or stored.metric = any (%(metrics)s))
            except
            select * from {{ shadow }}
        )
        union all
        (
            select * from {{ shadow }}
            except
            select stored.*
            from {{ table }} as stored
            inner join replay_customers as scope on stored.customer_ref = scope.customer_ref
            where
                stored.tenant_id = %(tenant_id)s
                and stored.period_start >= scope.starts
                and stored.period_start < scope.ends
                and (%(metrics)s::text[] is null or stored.metric = any (%(metrics)s))
        )
    ) as rows_of_one_side
{%- endfor %}
    union
    select customer_ref, metric, old_start from replay_moves
    union
    select customer_ref, metric, new_start from replay_moves
    union
    select customer_ref, metric, period_start
    from replay_values_before as before
    full join replay_values_after as after using (tenant_id, customer_ref, metric, period_start)
    where tenant_id = %(tenant_id)s and before is distinct from after
),

moved as (
    select customer_ref, metric, period_start, count(*) as events
    from (
        select idempotency_key, customer_ref, metric, old_start as period_start from replay_moves
        union
        select idempotency_key, customer_ref, metric, new_start from replay_moves
    ) as ends
    group by 1, 2, 3
),

compared as (
    select
        differing.customer_ref,
        differing.metric,
        differing.period_start,
        coalesce(after.period_end, before.period_end, landed_after.period_end, landed_before.period_end) as period_end,
        coalesce(before.closes_at, after.closes_at) as closes_at,
        before.value as value_before,
        after.value as value_after,
        coalesce(before.event_count, 0) as events_before,
        coalesce(after.event_count, 0) as events_after,
        coalesce(landed_before.late_events, 0) as late_before,
        coalesce(landed_after.late_events, 0) as late_after,
        coalesce(moved.events, 0) as moved
    from differing
    left join replay_values_before as before
        on before.tenant_id = %(tenant_id)s
        and differing.customer_ref = before.customer_ref
        and differing.metric = before.metric
        and differing.period_start = before.period_start
    left join replay_values_after as after
        on after.tenant_id = %(tenant_id)s
        and differing.customer_ref = after.customer_ref
        and differing.metric = after.metric
        and differing.period_start = after.period_start
    left join marts.usage_deliveries as landed_before
        on landed_before.tenant_id = %(tenant_id)s
        and differing.customer_ref = landed_before.customer_ref
        and differing.metric = landed_before.metric
        and differing.period_start = landed_before.period_start
    left join replay_usage_deliveries as landed_after
        on differing.customer_ref = landed_after.customer_ref
        and differing.metric = landed_after.metric
        and differing.period_start = landed_after.period_start
    left join moved
        on differing.customer_ref = moved.customer_ref
        and differing.metric = moved.metric
        and differing.period_start = moved.period_start
)

insert into tally.replay_changes (
    replay_id, customer_ref, metric, period_start, period_end, closes_at, value_before, value_after,
    events_before, events_after, late_before, late_after, moved, told, would_push, is_closed, is_held
)
select
    %(replay_id)s::uuid,
    compared.*,
    pushed.told,
    case when invoice.is_final then 0 else coalesce(compared.value_after, 0) - pushed.told end as would_push,
    coalesce(tally.now() >= compared.closes_at, false) or invoice.is_final as is_closed,
    false as is_held
from compared
left join tally.price_mappings as mapping
    on mapping.tenant_id = %(tenant_id)s and compared.metric = mapping.metric and mapping.active
-- Live before test, where both were told.
left join lateral (
    select case when mapping.metric is not null then coalesce(max(told.told_quantity), 0) end as told
    from (
        select ledger.told_quantity
        from tally.push_ledger as ledger
        where
            ledger.tenant_id = %(tenant_id)s
            and ledger.account = mapping.account
            and ledger.customer_ref = compared.customer_ref
            and ledger.metric = compared.metric
            and ledger.period_start = compared.period_start
        order by ledger.livemode desc
        limit 1
    ) as told
) as pushed on true
cross join lateral (
    select coalesce(
        bool_or(tally.period_is_closed(coalesce(known.closes_with, compared.period_end), total.invoice_status, tally.now())), false
    ) as is_final
    from tally.stripe_totals as total
    left join tally.customer_periods as known
        on known.tenant_id = total.tenant_id
        and known.customer_ref = total.customer_ref
        and known.period_start = total.period_start
    where
        total.tenant_id = %(tenant_id)s
        and total.account = mapping.account
        and total.customer_ref = compared.customer_ref
        and total.metric = compared.metric
        and total.period_start = compared.period_start
) as invoice
