-- One row per line that Stripe's totals were asked for: what to price, and under which price.
-- Of an item its newest price that was in force before the line ends. Declared in the configuration goes before.
-- Parameters: tenant_id, starting_from, starting_before, customer_ref (null: all).
-- Materialized, and filtered outside: tables filled a moment ago have no statistics yet, and a plan that was made in that
-- blindness asks the view per row.
with line as materialized (
    select
        tenant_id, account, livemode, customer_ref, metric, period_start, period_end, billable_quantity,
        invoice_quantity, invoice_line_count, invoice_item_ids, invoice_ends_at, is_mapped
    from marts.reconciliation_totals
    where
        tenant_id = %(tenant_id)s
        and (%(starting_from)s::timestamptz is null or period_start >= %(starting_from)s)
        and (%(starting_before)s::timestamptz is null or period_start < %(starting_before)s)
        and (%(customer_ref)s::text is null or customer_ref = %(customer_ref)s)
)

select
    line.account,
    line.livemode,
    line.customer_ref,
    line.metric,
    line.period_start,
    line.billable_quantity,
    line.invoice_quantity,
    line.invoice_line_count,
    mapping.price as declared_price,
    in_force.items,
    in_force.price_ids,
    in_force.document as stripe_price,
    in_force.is_trial
from line
left join tally.price_mappings as mapping
    on mapping.tenant_id = line.tenant_id and mapping.metric = line.metric
cross join lateral (
    select
        count(*) as items,
        array_agg(distinct chosen.price_id) filter (where chosen.price_id is not null) as price_ids,
        (array_agg(price.price) filter (where price.price is not null))[1] as document,
        coalesce(bool_and(
            item.trial_ends_at >= line.period_end and coalesce(item.trial_starts_at, '-infinity') <= line.period_start
        ), false) as is_trial
    from (
        select unnest(line.invoice_item_ids) as item_id
        union
        select item.item_id
        from tally.stripe_subscription_items as item
        where
            line.invoice_item_ids is null
            and item.tenant_id = line.tenant_id
            and item.account = line.account
            and item.livemode = line.livemode
            and item.customer_ref = line.customer_ref
            and item.metric = line.metric
            and item.started_at < line.period_end
            and (item.ended_at is null or item.ended_at > line.period_start)
    ) as billed
    left join tally.stripe_subscription_items as item
        on item.tenant_id = line.tenant_id
        and item.account = line.account
        and item.livemode = line.livemode
        and item.item_id = billed.item_id
    -- Usage from before a price changed names the price that it is billed at.
    left join lateral (
        select substr(billed.item_id, 7) as price_id, null::timestamptz as from_at
        where billed.item_id like 'price:%%'
        union all
        select had.price_id, had.from_at
        from tally.stripe_item_prices as had
        where
            had.tenant_id = line.tenant_id
            and had.account = line.account
            and had.livemode = line.livemode
            and had.item_id = billed.item_id
            and had.from_at < coalesce(line.invoice_ends_at, line.period_end)
        order by from_at desc
        limit 1
    ) as chosen on true
    left join tally.stripe_prices as price
        on price.tenant_id = line.tenant_id
        and price.account = line.account
        and price.livemode = line.livemode
        and price.price_id = chosen.price_id
) as in_force
where line.livemode is not null and line.is_mapped
