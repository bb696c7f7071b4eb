-- One row per counter whose final invoice and rests do not come to what is counted, and why it is not settled yet (`reason`).
-- Segments of a period that the same lines bill are one counter here, under the first segment's start.
-- Parameters: tenant_id, account, livemode, now, since.
-- A suggestion of the reconciliation that was booked elsewhere bills a part of this counter already.
with suggested as (
    select
        about.customer_ref,
        about.metric,
        about.period_start,
        coalesce(sum(about.amount) filter (where about.booked_start <> about.period_start), 0) as amount,
        bool_or(about.state = 'pending') as is_pending
    from tally.adjustments as about
    left join tally.adjustments as reverted on about.reverts = reverted.adjustment_id
    where
        about.tenant_id = %(tenant_id)s
        and coalesce(reverted.reason, about.reason) = 'billing_error'
        and coalesce(reverted.created_by, about.created_by) = 'tally'
        and about.state <> 'rejected'
    group by about.customer_ref, about.metric, about.period_start
),

totals as (
    select
        total.*,
        counter.value,
        counter.closes_at,
        period.closes_with,
        coalesce(period.closes_with, total.period_end) as whole_end,
        coalesce(suggested.amount, 0) as suggested,
        coalesce(suggested.is_pending, false) as is_suggested
    from tally.stripe_totals as total
    inner join tally.price_mappings as mapping
        on total.tenant_id = mapping.tenant_id and total.metric = mapping.metric and total.account = mapping.account
    left join marts.usage_counters as counter
        on total.tenant_id = counter.tenant_id
        and total.customer_ref = counter.customer_ref
        and total.metric = counter.metric
        and total.period_start = counter.period_start
    left join tally.customer_periods as period
        on total.tenant_id = period.tenant_id
        and total.customer_ref = period.customer_ref
        and total.period_start = period.period_start
    left join suggested
        on total.customer_ref = suggested.customer_ref
        and total.metric = suggested.metric
        and total.period_start = suggested.period_start
    where
        total.tenant_id = %(tenant_id)s
        and total.account = %(account)s
        and total.livemode = %(livemode)s
        and total.period_end > %(since)s
        and total.invoice_status in ('open', 'paid', 'uncollectible', 'void')
        and mapping.active
),

billed as (
    select
        customer_ref,
        metric,
        min(period_start) as period_start,
        max(period_end) as period_end,
        max(closes_at) as closes_at,
        array_agg(period_start) as segments,
        sum(value) as value,
        -- Stripe adds up what the segments were told, and bills a negative sum as nothing.
        greatest(sum(coalesce(value, 0) - suggested), 0) as target,
        bool_or(is_suggested) as is_suggested,
        min(invoice_id) as invoice_id,
        string_to_array(invoice_line_id, ',') as invoice_line_ids,
        min(invoice_status) as invoice_status,
        case min(invoice_status) when 'void' then 'void' when 'uncollectible' then 'uncollectible' else 'billed' end as basis,
        -- Each item that reads the meter bills all of the counter, by its own price.
        trim_scale(min(invoice_quantity) / greatest(
            (select count(*) from unnest(min(invoice_item_ids)) as item (id) where item.id not like 'price:%%'), 1
        )) as invoice_quantity,
        -- Of the whole line, read with each segment's own window.
        sum(summary_quantity) as summary_quantity,
        -- Cut, and the lines span something else than these segments do, or were not read at one time.
        bool_or(closes_with is not null) and (
            coalesce(abs(extract(epoch from min(invoice_starts_at) - min(period_start))) > 60, true)
            or coalesce(abs(extract(epoch from max(invoice_ends_at) - max(period_end))) > 60, true)
            or min(invoice_status) <> max(invoice_status)
            or min(invoice_quantity) <> max(invoice_quantity)
        ) as is_uneven
    from totals
    group by customer_ref, metric, whole_end, invoice_line_id
    having count(value) > 0
),

rests as (
    select
        customer_ref,
        metric,
        period_start,
        max(seq) as last_seq,
        (array_agg(to_quantity order by seq desc) filter (where is_decided))[1] as settled_to,
        coalesce((array_agg(basis order by seq desc) filter (where is_decided))[1] = 'void', false) as is_void,
        coalesce(sum(amount_minor) filter (where is_sent and not is_void_note), 0)::bigint as billed,
        coalesce(sum(amount_minor) filter (where is_sent and not is_void_note and kind = 'credit_note'), 0)::bigint as noted,
        coalesce(sum(amount_minor) filter (where is_sent and basis = 'void'), 0)::bigint as void_billed,
        coalesce(sum(amount_minor) filter (where is_waived), 0)::bigint as waived,
        coalesce(sum(amount_minor) filter (where is_waived and basis = 'void'), 0)::bigint as void_waived,
        coalesce(-sum(amount_minor) filter (where is_kept), 0)::bigint as kept,
        coalesce(-sum(amount_minor) filter (where is_kept and basis = 'void'), 0)::bigint as void_kept,
        (array_agg(rest_id::text) filter (where state = 'proposed'))[1] as proposed_id,
        max(to_quantity) filter (where state = 'proposed') as proposed_to,
        max(kind) filter (where state = 'proposed') as proposed_kind,
        max(basis) filter (where state = 'proposed') as proposed_basis,
        bool_or(state in ('approved', 'sending', 'refused')) as is_under_way
    from (
        select
            *,
            state not in ('proposed', 'withdrawn') as is_decided,
            state = 'done' and kind <> 'write_off' as is_sent,
            amount_minor > 0 and (state = 'rejected' or (state = 'done' and kind = 'write_off')) as is_waived,
            amount_minor < 0 and state = 'rejected' as is_kept,
            -- A credit note on an invoice that was voided since.
            kind = 'credit_note' and bool_or(basis = 'void') over (
                partition by customer_ref, metric, period_start order by seq rows between current row and unbounded following
            ) as is_void_note
        from tally.closing_rests
        where tenant_id = %(tenant_id)s and account = %(account)s and livemode = %(livemode)s
    ) as rest
    group by customer_ref, metric, period_start
),

counters as (
    select
        billed.*,
        -- A voided invoice bills nothing. Another one in its place bills on top of what an item of ours has billed anew.
        case
            when billed.basis = 'void' then case when rests.is_void then rests.settled_to else 0 end
            when rests.is_void then billed.invoice_quantity + case when rests.void_billed = 0 then 0 else rests.settled_to end
            else coalesce(rests.settled_to, billed.invoice_quantity)
        end as settled_to,
        coalesce(rests.last_seq, 0) as last_seq,
        -- Credit notes are void with their invoice. What was given away of a voided one says nothing about the next.
        coalesce(rests.billed - case when billed.basis = 'void' then rests.noted else 0 end, 0) as billed,
        coalesce(rests.waived - case when billed.basis = 'void' then 0 else rests.void_waived end, 0) as waived,
        coalesce(case when billed.basis = 'void' then rests.void_kept else rests.kept - rests.void_kept end, 0) as kept,
        rests.proposed_id,
        rests.proposed_to,
        rests.proposed_kind,
        rests.proposed_basis,
        coalesce(rests.is_under_way, false) as is_under_way,
        billed.basis <> 'void' and coalesce(rests.is_void and rests.void_billed <> 0, false) as is_replaced,
        coalesce(meter.late_usage, tenant.late_usage) as late_usage,
        coalesce(meter.overbilled_usage, tenant.overbilled_usage) as overbilled_usage,
        tenant.closing_approval
    from billed
    inner join tally.tenants as tenant on tenant.tenant_id = %(tenant_id)s
    inner join tally.meters as meter on meter.tenant_id = %(tenant_id)s and billed.metric = meter.metric
    left join rests
        on billed.customer_ref = rests.customer_ref
        and billed.metric = rests.metric
        and billed.period_start = rests.period_start
)

select
    counters.*,
    case
        when is_under_way then 'under_way'
        when closes_at > %(now)s then 'moving'
        when is_suggested then 'suggested'
        when is_uneven
            -- A line has one chain of rests: other segments' lines, and rests of another start, are never mixed up.
            or exists (
                select from billed as other
                where
                    other.customer_ref = counters.customer_ref
                    and other.metric = counters.metric
                    and other.period_start <> counters.period_start
                    and other.invoice_line_ids && counters.invoice_line_ids
            )
            or exists (
                select from tally.closing_rests as other
                where
                    other.tenant_id = %(tenant_id)s
                    and other.account = %(account)s
                    and other.livemode = %(livemode)s
                    and other.state <> 'withdrawn'
                    and (other.customer_ref, other.metric, other.period_start)
                    <> (counters.customer_ref, counters.metric, counters.period_start)
                    and other.invoice_line_ids && counters.invoice_line_ids
            )
            -- What replaces the value before it does not add up over segments.
            or (cardinality(segments) > 1 and exists (
                select from tally.stripe_subscription_items as item
                where
                    item.tenant_id = %(tenant_id)s
                    and item.account = %(account)s
                    and item.livemode = %(livemode)s
                    and item.customer_ref = counters.customer_ref
                    and item.metric = counters.metric
                    and item.formula <> 'sum'
            ))
            then 'segmented'
        when exists (
            select from ledger.int_usage_events_deduplicated as event
            inner join tally.adjustment_events as link using (tenant_id, idempotency_key)
            inner join tally.adjustments as adjustment on link.adjustment_id = adjustment.adjustment_id
            where
                event.tenant_id = %(tenant_id)s
                and event.customer_ref = counters.customer_ref
                and event.metric = counters.metric
                and event.period_start = any(counters.segments)
                and event.outcome = 'counted'
                and adjustment.reason = 'late_events'
                and adjustment.state = 'approved'
                and adjustment.amount <> 0
        ) then 'adjusted'
    end as reason
from counters
where target is distinct from settled_to or proposed_id is not null
order by customer_ref, metric, period_start
