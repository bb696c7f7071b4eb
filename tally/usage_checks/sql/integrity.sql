-- Counters whose events are not the ones that were delivered, and deliveries that became nothing. Two tables that are
-- written apart; read in one statement, and compared only where both have read equally far, so that no tick is taken for a
-- loss. What reads every event is the nightly tests'. Parameters: now.
select
    coalesce(delivery.tenant_id, counter.tenant_id) as tenant_id,
    coalesce(delivery.customer_ref, counter.customer_ref) as customer_ref,
    coalesce(delivery.metric, counter.metric) as metric,
    coalesce(delivery.period_start, counter.period_start) as period_start,
    delivery.deliveries,
    delivery.events + delivery.duplicates + delivery.conflicts as accounted_for,
    delivery.counted_events,
    counter.event_count
from marts.usage_deliveries as delivery
full join ledger.int_usage_counters as counter
    using (tenant_id, customer_ref, metric, period_start)
where coalesce(delivery.period_end, counter.period_end) > %(now)s - interval '35 days'
    and (
        select count(distinct read_to) = 1
        from tally.model_bounds
        where model in ('marts.usage_deliveries', 'ledger.int_usage_counters')
    )
    and (
        delivery.deliveries is distinct from delivery.events + delivery.duplicates + delivery.conflicts
        or delivery.events
        is distinct from delivery.counted_events + delivery.late_events + delivery.left_out_events
        or coalesce(delivery.counted_events, 0) is distinct from coalesce(counter.event_count, 0)
    )
order by 1, 2, 3, 4
