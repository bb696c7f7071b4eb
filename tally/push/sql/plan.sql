-- Two planners at once: one of them inserts a sequence number, the other one finds it taken and plans nothing.
, planned as (
    insert into tally.push_intents (
        tenant_id, account, livemode, customer_ref, metric, period_start, period_end, seq,
        value, counter_value, event_name, stripe_customer_id, event_ts, identifier, planned_at
    )
    select
        tenant_id, %(account)s, %(livemode)s, customer_ref, metric, period_start, period_end, seq,
        value, counter_value, event_name, stripe_customer_id, event_ts, identifier, %(now)s
    from candidates
    where reason is null
    on conflict do nothing
    returning identifier
)

select
    candidates.*,
    planned.identifier is not null as is_planned
from candidates
left join planned using (identifier)
order by customer_ref, metric, period_start
