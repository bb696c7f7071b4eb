-- One row per counter that is told to a shadow account: what live and shadow were told, and what each one's meter says.
-- Parameters: tenant_id, starting_from, starting_before (null: no bound).
with mapped as (
    select live.metric, live.account as live_account, shadow.account as shadow_account
    from tally.shadow_mappings as shadow
    inner join tally.price_mappings as live using (tenant_id, metric)
    where shadow.tenant_id = %(tenant_id)s and shadow.active and live.active
),

sides as (
    select
        mapped.metric,
        ledger.customer_ref,
        ledger.period_start,
        tally.is_shadow(ledger.account) as is_shadow,
        ledger.told_quantity,
        ledger.in_flight_quantity,
        ledger.open_state
    from mapped
    inner join tally.push_ledger as ledger
        on ledger.tenant_id = %(tenant_id)s
        and ledger.metric = mapped.metric
        and (ledger.account, ledger.livemode) in ((mapped.live_account, true), (mapped.shadow_account, false))
),

totals as (
    select
        mapped.metric,
        total.customer_ref,
        total.period_start,
        tally.is_shadow(total.account) as is_shadow,
        total.summary_quantity
    from mapped
    inner join tally.stripe_totals as total
        on total.tenant_id = %(tenant_id)s
        and total.metric = mapped.metric
        and (total.account, total.livemode) in ((mapped.live_account, true), (mapped.shadow_account, false))
),

-- What neither account was told of nor knows is billed in neither.
keys as (
    select customer_ref, metric, period_start from sides
    union
    select customer_ref, metric, period_start from totals
)

select
    customer_ref,
    metric,
    period_start,
    counter.value as counted,
    coalesce(live.told_quantity, 0) as live_told,
    coalesce(shadow.told_quantity, 0) as shadow_told,
    live_total.summary_quantity as live_stripe,
    shadow_total.summary_quantity as shadow_stripe,
    live.open_state as live_open,
    shadow.open_state as shadow_open,
    coalesce(live.in_flight_quantity, 0) as live_in_flight,
    coalesce(shadow.in_flight_quantity, 0) as shadow_in_flight
from keys
left join (select * from marts.usage_counters where tenant_id = %(tenant_id)s) as counter
    using (customer_ref, metric, period_start)
left join (select * from sides where not is_shadow) as live using (customer_ref, metric, period_start)
left join (select * from sides where is_shadow) as shadow using (customer_ref, metric, period_start)
left join (select * from totals where not is_shadow) as live_total using (customer_ref, metric, period_start)
left join (select * from totals where is_shadow) as shadow_total using (customer_ref, metric, period_start)
where
    (%(starting_from)s::timestamptz is null or period_start >= %(starting_from)s)
    and (%(starting_before)s::timestamptz is null or period_start < %(starting_before)s)
order by customer_ref, metric, period_start
