-- A rest stands for the counted events that landed since Stripe was last told (against a voided invoice: for all), and that
-- no other rest of the counter has. `segments` are the starts of the segments that its lines bill together.
-- Parameters: tenant_id, account, livemode, customer_ref, metric, segments, basis, rest_id.
insert into tally.closing_rest_events (tenant_id, idempotency_key, rest_id)
select event.tenant_id, event.idempotency_key, %(rest_id)s
from ledger.int_usage_events_deduplicated as event
where
    event.tenant_id = %(tenant_id)s
    and event.customer_ref = %(customer_ref)s
    and event.metric = %(metric)s
    and event.period_start = any(%(segments)s)
    and event.outcome = 'counted'
    and (%(basis)s = 'void' or event.landed_at >= coalesce(
        (
            select max(intent.planned_at)
            from tally.push_intents as intent
            where
                intent.tenant_id = %(tenant_id)s
                and intent.account = %(account)s
                and intent.livemode = %(livemode)s
                and intent.customer_ref = %(customer_ref)s
                and intent.metric = %(metric)s
                and intent.period_start = event.period_start
                and intent.state = 'confirmed'
        ),
        '-infinity'
    ))
    and not exists (
        select from tally.closing_rest_events as link
        inner join tally.closing_rests as other using (rest_id)
        where
            link.tenant_id = event.tenant_id
            and link.idempotency_key = event.idempotency_key
            and other.account = %(account)s
            and other.livemode = %(livemode)s
            and other.state <> 'withdrawn'
    )
on conflict do nothing
