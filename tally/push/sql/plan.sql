-- Two planners at once: one of them inserts a sequence number, the other one finds it taken and plans nothing.
, superseded as (
    update tally.push_intents as older
    set
        state = 'superseded',
        lease_until = null,
        last_error = coalesce(older.last_error || '; ', '') || 'a newer value took its place'
    from candidates
    where
        candidates.reason is null
        and older.intent_id = candidates.supersedes
        and (
            older.state in ('planned', 'unknown', 'resolving')
            or (older.state = 'sending' and older.lease_until <= clock_timestamp())
        )
    returning older.intent_id
),

planned as (
    insert into tally.push_intents (
        tenant_id, account, livemode, customer_ref, metric, period_start, period_end, seq,
        value, absolute_value, counter_value, event_name, stripe_customer_id, event_ts, identifier, planned_at,
        newest_xid
    )
    select
        tenant_id, %(account)s, %(livemode)s, customer_ref, metric, period_start, period_end, seq,
        value, absolute_value, counter_value, event_name, stripe_customer_id, event_ts, identifier, %(now)s,
        newest_xid
    from candidates
    where
        reason is null
        -- What it supersedes is closed first; where a pusher has claimed that one meanwhile, nothing is planned.
        and (supersedes is null or supersedes in (select superseded.intent_id from superseded))
    on conflict do nothing
    returning identifier
)

select
    candidates.*,
    planned.identifier is not null as is_planned
from candidates
left join planned using (identifier)
order by customer_ref, metric, period_start
