-- Intents without a certain answer, and what Stripe's total for their counter is if they arrived (`told_with`).
-- `is_offset`: an event of the opposite sign, not shown yet or no longer, makes the same total as this one's arrival.
-- Parameters: tenant_id, account, livemode.
select
    intent.intent_id,
    intent.stripe_customer_id,
    intent.period_start,
    intent.period_end,
    intent.value,
    intent.last_attempt_at,
    intent.absent_since,
    intent.absent_reads,
    intent.present_since,
    intent.present_reads,
    exists (
        select from tally.push_intents as other
        where
            other.tenant_id = intent.tenant_id
            and other.account = intent.account
            and other.livemode = intent.livemode
            and other.customer_ref = intent.customer_ref
            and other.metric = intent.metric
            and other.period_start = intent.period_start
            and other.state not in ('refused', 'missing', 'cancelled', 'rejected', 'superseded')
            and sign(other.value) <> sign(intent.value)
    ) as is_offset,
    (
        select sum(told.value)
        from tally.push_intents as told
        where
            told.tenant_id = intent.tenant_id
            and told.account = intent.account
            and told.livemode = intent.livemode
            and told.customer_ref = intent.customer_ref
            and told.metric = intent.metric
            and told.period_start = intent.period_start
            and told.state not in ('refused', 'missing', 'cancelled', 'rejected', 'superseded')
    ) as told_with,
    (
        select min(item.stripe_meter_id)
        from tally.stripe_subscription_items as item
        where
            item.tenant_id = intent.tenant_id
            and item.account = intent.account
            and item.livemode = intent.livemode
            and item.event_name = intent.event_name
    ) as meter_id
from tally.push_intents as intent
where
    intent.tenant_id = %(tenant_id)s
    and intent.account = %(account)s
    and intent.livemode = %(livemode)s
    and intent.state = 'resolving'
order by intent.planned_at, intent.intent_id
