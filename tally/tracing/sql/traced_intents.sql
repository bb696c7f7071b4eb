-- Which open intents carry traced events: each event goes with the first intent of its counter that was planned once the
-- counter held it, and that was not given up.
-- Parameters: tenant_id, account, livemode, most.
select intent.intent_id, traced.traceparent
from tally.push_intents as intent
inner join tally.traced_counters as traced using (tenant_id, customer_ref, metric, period_start)
where
    intent.tenant_id = %(tenant_id)s
    and intent.account = %(account)s
    and intent.livemode = %(livemode)s
    and intent.state in ('planned', 'sending', 'unknown')
    and intent.newest_xid >= traced.xid
    and not exists (
        select from tally.push_intents as earlier
        where
            earlier.tenant_id = intent.tenant_id
            and earlier.account = intent.account
            and earlier.livemode = intent.livemode
            and earlier.customer_ref = intent.customer_ref
            and earlier.metric = intent.metric
            and earlier.period_start = intent.period_start
            and earlier.seq < intent.seq
            and earlier.newest_xid >= traced.xid
            and earlier.state not in ('refused', 'missing', 'cancelled', 'rejected', 'superseded')
    )
order by traced.counted_at, traced.traceparent
limit %(most)s
