-- One row per counter whose final invoice and rests do not come to what is counted, and why it is not settled yet (`reason`).
-- Parameters: tenant_id, account, livemode, now, since.
with rests as (
    select
        customer_ref,
        metric,
        period_start,
        max(seq) as last_seq,
        (array_agg(to_quantity order by seq desc) filter (where state not in ('proposed', 'withdrawn')))[1] as settled_to,
        coalesce(sum(amount_minor) filter (where state = 'done' and kind <> 'write_off'), 0)::bigint as billed,
        coalesce(sum(amount_minor) filter (
            where amount_minor > 0 and (state = 'rejected' or (state = 'done' and kind = 'write_off'))
        ), 0)::bigint as waived,
        coalesce(-sum(amount_minor) filter (where amount_minor < 0 and state = 'rejected'), 0)::bigint as kept,
        (array_agg(rest_id::text) filter (where state = 'proposed'))[1] as proposed_id,
        max(to_quantity) filter (where state = 'proposed') as proposed_to,
        max(kind) filter (where state = 'proposed') as proposed_kind,
        bool_or(state in ('approved', 'sending', 'refused')) as is_under_way
    from tally.closing_rests
    where tenant_id = %(tenant_id)s and account = %(account)s and livemode = %(livemode)s
    group by customer_ref, metric, period_start
),

-- A suggestion of the reconciliation that was booked elsewhere bills a part of this counter already.
suggested as (
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

counters as (
    select
        counter.customer_ref,
        counter.metric,
        counter.period_start,
        counter.period_end,
        counter.closes_at,
        counter.value,
        total.invoice_id,
        string_to_array(total.invoice_line_id, ',') as invoice_line_ids,
        total.invoice_status,
        total.invoice_quantity,
        greatest(counter.value - coalesce(suggested.amount, 0), 0) as target,
        coalesce(suggested.is_pending, false) as is_suggested,
        coalesce(rests.settled_to, total.invoice_quantity) as settled_to,
        coalesce(rests.last_seq, 0) as last_seq,
        coalesce(rests.billed, 0) as billed,
        coalesce(rests.waived, 0) as waived,
        coalesce(rests.kept, 0) as kept,
        rests.proposed_id,
        rests.proposed_to,
        rests.proposed_kind,
        coalesce(rests.is_under_way, false) as is_under_way,
        coalesce(meter.late_usage, tenant.late_usage) as late_usage,
        coalesce(meter.overbilled_usage, tenant.overbilled_usage) as overbilled_usage,
        tenant.closing_approval
    from tally.stripe_totals as total
    inner join marts.usage_counters as counter
        on total.tenant_id = counter.tenant_id
        and total.customer_ref = counter.customer_ref
        and total.metric = counter.metric
        and total.period_start = counter.period_start
    inner join tally.price_mappings as mapping
        on total.tenant_id = mapping.tenant_id and total.metric = mapping.metric and total.account = mapping.account
    inner join tally.tenants as tenant on total.tenant_id = tenant.tenant_id
    inner join tally.meters as meter on total.tenant_id = meter.tenant_id and total.metric = meter.metric
    left join rests
        on total.customer_ref = rests.customer_ref
        and total.metric = rests.metric
        and total.period_start = rests.period_start
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
)

select
    counters.*,
    case
        when is_under_way then 'under_way'
        when invoice_status in ('void', 'uncollectible') then invoice_status
        when closes_at > %(now)s then 'moving'
        when is_suggested then 'suggested'
        when exists (
            select from tally.customer_periods as segment
            where
                segment.tenant_id = %(tenant_id)s
                and segment.customer_ref = counters.customer_ref
                and segment.closes_with is not null
                and segment.period_start < counters.period_end
                and segment.closes_with > counters.period_start
        ) then 'segmented'
        when exists (
            select from ledger.int_usage_events_deduplicated as event
            inner join tally.adjustment_events as link using (tenant_id, idempotency_key)
            inner join tally.adjustments as adjustment on link.adjustment_id = adjustment.adjustment_id
            where
                event.tenant_id = %(tenant_id)s
                and event.customer_ref = counters.customer_ref
                and event.metric = counters.metric
                and event.period_start = counters.period_start
                and event.outcome = 'counted'
                and adjustment.reason = 'late_events'
                and adjustment.state = 'approved'
                and adjustment.amount <> 0
        ) then 'adjusted'
    end as reason
from counters
where target is distinct from settled_to or proposed_id is not null
order by customer_ref, metric, period_start
