-- A newer value took an older one's place and was then never sent, refused, or never arrived: so the older one, which was
-- sent, may be what Stripe has. It is settled from Stripe's summary, as if nothing had taken its place.
-- Parameters: tenant_id, account, livemode, now.
with newest as (
    select
        customer_ref,
        metric,
        period_start,
        max(seq) filter (where state = 'confirmed') as confirmed_seq,
        max(seq) filter (where state = 'superseded' and attempts > 0) as superseded_seq,
        (array_agg(state order by seq desc))[1] as last_state,
        bool_or(state in ('planned', 'sending', 'unknown', 'resolving', 'disputed')) as is_open
    from tally.push_intents
    where
        tenant_id = %(tenant_id)s
        and account = %(account)s
        and livemode = %(livemode)s
        and absolute_value is not null
        and period_end > %(now)s - interval '60 days'
    group by customer_ref, metric, period_start
)

update tally.push_intents as intent
set
    state = 'resolving',
    last_error = coalesce(intent.last_error || '; ', '') || 'the newer value never arrived'
from newest
where
    intent.tenant_id = %(tenant_id)s
    and intent.account = %(account)s
    and intent.livemode = %(livemode)s
    and intent.customer_ref = newest.customer_ref
    and intent.metric = newest.metric
    and intent.period_start = newest.period_start
    and intent.seq = newest.superseded_seq
    and intent.state = 'superseded'
    and newest.last_state in ('cancelled', 'refused', 'rejected', 'missing')
    and not newest.is_open
    and newest.superseded_seq > coalesce(newest.confirmed_seq, 0)
