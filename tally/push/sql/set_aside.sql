-- Before anything is sent: what may no longer be sent leaves the queue.
-- Too old to repeat, on the stream when its pusher died, or its period has closed: sent again it might be counted twice, or
-- bill nowhere. Settled from Stripe's summary instead. Never sent, and its period has closed: cancelled.
-- The queue is read once, with a probe of two primary keys a row: a join of it with itself would cost the square of what a
-- plan has just put there, which the planner's statistics know nothing of.
-- Parameters: tenant_id, account, livemode, now, resend_from.
with set_aside as (
    select intent.intent_id, coalesce(intent.first_attempt_at <= %(resend_from)s, false) as is_old
    from tally.push_intents as intent
    left join tally.customer_periods as period
        on intent.tenant_id = period.tenant_id
        and intent.customer_ref = period.customer_ref
        and intent.period_start = period.period_start
    left join tally.stripe_totals as total
        on intent.tenant_id = total.tenant_id
        and intent.account = total.account
        and intent.livemode = total.livemode
        and intent.customer_ref = total.customer_ref
        and intent.metric = total.metric
        and intent.period_start = total.period_start
    where
        intent.tenant_id = %(tenant_id)s
        and intent.account = %(account)s
        and intent.livemode = %(livemode)s
        and intent.state in ('planned', 'unknown', 'sending')
        and (intent.state <> 'sending' or intent.lease_until <= clock_timestamp())
        and (
            intent.first_attempt_at <= %(resend_from)s
            or (intent.state = 'sending' and intent.by_stream)
            or tally.period_is_closed(coalesce(period.closes_with, intent.period_end), total.invoice_status, %(now)s)
        )
    for update of intent skip locked
)

update tally.push_intents as intent
set
    state = case when intent.first_attempt_at is null then 'cancelled' else 'resolving' end,
    lease_until = null,
    last_error = case
        when intent.first_attempt_at is null then 'the period''s invoice became final before this was sent'
        else
            coalesce(intent.last_error || '; ', '')
            || case
                when set_aside.is_old then 'no certain answer for 20 hours'
                when intent.state = 'sending' and intent.by_stream then 'no answer from the meter-event stream'
                else 'the period''s invoice became final'
            end
            || ': not sent again'
    end
from set_aside
where intent.intent_id = set_aside.intent_id
