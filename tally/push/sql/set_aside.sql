-- Before anything is sent: what may no longer be sent leaves the queue.
-- Too old to repeat: settled from Stripe's summary instead. Never sent, and its period has closed: cancelled.
-- Parameters: tenant_id, account, livemode, now, resend_from.
update tally.push_intents as intent
set
    state = case when intent.state = 'planned' then 'cancelled' else 'resolving' end,
    lease_until = null,
    last_error = case
        when intent.state = 'planned' then 'the period''s invoice became final before this was sent'
        else coalesce(intent.last_error || '; ', '') || 'no certain answer for 20 hours: not sent again'
    end
where
    intent.tenant_id = %(tenant_id)s
    and intent.account = %(account)s
    and intent.livemode = %(livemode)s
    and (
        (
            (intent.state = 'unknown' or (intent.state = 'sending' and intent.lease_until <= clock_timestamp()))
            and intent.first_attempt_at <= %(resend_from)s
        )
        or (
            intent.state = 'planned'
            and intent.first_attempt_at is null
            and tally.period_is_closed(
                intent.period_end,
                (
                    select total.invoice_status
                    from tally.stripe_totals as total
                    where
                        total.tenant_id = intent.tenant_id
                        and total.account = intent.account
                        and total.livemode = intent.livemode
                        and total.customer_ref = intent.customer_ref
                        and total.metric = intent.metric
                        and total.period_start = intent.period_start
                ),
                %(now)s
            )
        )
    )
