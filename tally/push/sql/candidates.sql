-- One row per counter whose value is not what Stripe has been told: what to send, or why not (`reason`).
-- Periods that ended more than 60 days ago are left out: Stripe has taken nothing for them since day 35.
-- Parameters: tenant_id, account, livemode, now.
with told as (
    select
        customer_ref,
        metric,
        period_start,
        sum(value) filter (
            where state not in ('refused', 'missing', 'cancelled', 'rejected', 'superseded')
        ) as quantity,
        max(last_error) filter (where state = 'rejected') as rejection,
        max(seq) as last_seq,
        max(state) filter (where state in ('planned', 'sending', 'unknown', 'resolving', 'disputed')) as open_state,
        -- An absolute value whose answer is open, and which no pusher sends just now: a newer one may take its place.
        max(intent_id::text) filter (
            where absolute_value is not null
            and (state in ('planned', 'unknown', 'resolving') or (state = 'sending' and lease_until <= clock_timestamp()))
        )::uuid as replaceable,
        coalesce(sum(value) filter (
            where absolute_value is not null
            and (state in ('planned', 'unknown', 'resolving') or (state = 'sending' and lease_until <= clock_timestamp()))
        ), 0) as replaceable_value,
        max(event_ts) as newest_ts,
        (array_agg(state order by seq desc))[1] as last_state,
        (array_agg(last_error order by seq desc))[1] as last_error
    from tally.push_intents
    where
        tenant_id = %(tenant_id)s
        and account = %(account)s
        and livemode = %(livemode)s
        and period_end > %(now)s - interval '60 days'
    group by customer_ref, metric, period_start
),

counters as (
    select
        counter.tenant_id,
        counter.customer_ref,
        counter.metric,
        counter.period_start,
        counter.period_end,
        counter.value as counter_value,
        mapping.event_name,
        told.last_seq,
        told.open_state,
        told.last_state,
        coalesce(pause.reason, told.rejection, told.last_error) as last_error,
        told.rejection is not null as is_rejected,
        pause.event_name is not null as is_paused,
        told.replaceable,
        told.newest_ts,
        coalesce(told.quantity - told.replaceable_value, 0) as told_quantity,
        counter.value - coalesce(told.quantity - told.replaceable_value, 0) as delta,
        -- Strictly inside the period's whole minutes: so the summary over them sees it, whatever Stripe's end rule is.
        date_trunc('minute', counter.period_start + interval '1 minute' - interval '1 microsecond', 'UTC')
        + interval '1 second' as first_ts,
        date_trunc('minute', counter.period_end, 'UTC') - interval '1 second' as last_ts,
        counter.last_event_time,
        counter.newest_xid
    from marts.usage_counters as counter
    left join tally.push_mappings as mapping
        on counter.tenant_id = mapping.tenant_id and counter.metric = mapping.metric and mapping.active
    left join told
        on counter.customer_ref = told.customer_ref
        and counter.metric = told.metric
        and counter.period_start = told.period_start
    left join tally.mapping_pauses as pause
        on counter.tenant_id = pause.tenant_id
        and mapping.event_name = pause.event_name
        and pause.account = %(account)s
        and pause.livemode = %(livemode)s
    where
        counter.tenant_id = %(tenant_id)s
        and counter.period_end > %(now)s - interval '60 days'
        and (mapping.account = %(account)s or (mapping.metric is null and not tally.is_shadow(%(account)s)))
        and counter.value is distinct from coalesce(told.quantity, 0)
),

-- Which Stripe customer pays for the counter, and whether that is clear.
items as (
    select
        counters.customer_ref,
        counters.metric,
        counters.period_start,
        bool_or(item.formula = 'last') as is_absolute,
        min(item.stripe_customer_id) as stripe_customer_id,
        count(distinct item.stripe_customer_id) as stripe_customers
    from counters
    inner join tally.stripe_subscription_items as item
        on counters.tenant_id = item.tenant_id
        and counters.customer_ref = item.customer_ref
        and counters.metric = item.metric
        and counters.event_name = item.event_name
    where
        item.account = %(account)s
        and item.livemode = %(livemode)s
        and item.subscription_status not in ('incomplete', 'incomplete_expired')
        and item.started_at < counters.period_end
        and (item.ended_at is null or item.ended_at > counters.period_start)
    group by counters.customer_ref, counters.metric, counters.period_start
),

placed as (
    select
        counters.*,
        items.stripe_customer_id,
        coalesce(items.is_absolute, false) as is_absolute,
        coalesce(items.stripe_customers, 0) as stripe_customers,
        period.customer_ref is not null as is_stripe_period,
        period.closes_with is not null as is_segment,
        tally.period_is_closed(
            coalesce(period.closes_with, counters.period_end), total.invoice_status, %(now)s
        ) as is_closed,
        date_trunc('second', case
            when items.is_absolute
                -- The newest moment wins, so each is later than all before; a minute at the end is left for corrections.
                then greatest(
                    counters.first_ts,
                    %(now)s - interval '34 days',
                    counters.newest_ts + interval '1 second',
                    least(counters.last_event_time, counters.last_ts - interval '1 minute', %(now)s)
                )
            else least(
                greatest(counters.last_event_time, counters.first_ts, %(now)s - interval '34 days'),
                counters.last_ts,
                %(now)s
            )
        end, 'UTC') as event_ts,
        -- Digits of the whole part, and of everything from the first digit that counts.
        length(trunc(abs(counters.delta))::text) as whole_digits,
        length(ltrim(replace(trim_scale(abs(counters.counter_value))::text, '.', ''), '0')) as counter_digits
    from counters
    left join items using (customer_ref, metric, period_start)
    left join tally.customer_periods as period
        on counters.tenant_id = period.tenant_id
        and counters.customer_ref = period.customer_ref
        and counters.period_start = period.period_start
        and counters.period_end = period.period_end
    left join tally.stripe_totals as total
        on counters.tenant_id = total.tenant_id
        and total.account = %(account)s
        and total.livemode = %(livemode)s
        and counters.customer_ref = total.customer_ref
        and counters.metric = total.metric
        and counters.period_start = total.period_start
),

candidates as (
    select
        tenant_id,
        customer_ref,
        metric,
        period_start,
        period_end,
        counter_value,
        told_quantity,
        delta,
        event_name,
        stripe_customer_id,
        event_ts,
        newest_xid,
        last_error,
        coalesce(last_seq, 0) + 1 as seq,
        replaceable as supersedes,
        case when is_absolute then trim_scale(counter_value) end as absolute_value,
        -- Stripe takes 15 digits: of a longer delta the leading ones go now and the rest with the next plan.
        case
            when is_absolute then delta
            when whole_digits > 15 then sign(delta) * 999999999999999
            else trim_scale(trunc(delta, 15 - whole_digits))
        end as value,
        'tl1.' || left(encode(sha256(convert_to(concat_ws(
            E'\x1f',
            %(account)s::text,
            case when %(livemode)s then 'live' else 'test' end,
            tenant_id,
            stripe_customer_id,
            event_name,
            customer_ref,
            metric,
            to_char(period_start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            (coalesce(last_seq, 0) + 1)::text
        ), 'UTF8')), 'hex'), 32) as identifier,
        case
            when event_name is null then 'unmapped'
            when open_state = 'disputed' then 'disputed'
            when open_state is not null and not (is_absolute and replaceable is not null) then 'in_flight'
            when is_paused then 'paused'
            when is_rejected then 'rejected'
            when last_state = 'refused' then 'refused'
            when stripe_customers = 0 then 'no_subscription'
            when stripe_customers > 1 then 'ambiguous_customer'
            when not is_stripe_period then 'period_mismatch'
            when is_closed then 'period_closed'
            when last_ts <= first_ts and is_segment then 'segment_too_short'
            when last_ts <= first_ts then 'period_too_short'
            when %(now)s < first_ts then 'period_not_started'
            when last_ts < %(now)s - interval '34 days' then 'period_too_old'
            when abs(counter_value) >= 9007199254740992 then 'too_large'
            when counter_digits > 15 then 'too_precise'
            when is_absolute and event_ts > last_ts then 'no_later_second'
            when is_absolute and event_ts > %(now)s then 'same_second'
        end as reason
    from placed
)
