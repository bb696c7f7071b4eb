-- Rule: every event's metric was declared when the event was dated.
-- Relies on it: a counter's value. At stake: usage that is counted but has no value and is never billed.
-- To mend: declare the meter (`tally apply`); the next event of the counter brings its value, or a full refresh does.
select tenant_id, customer_ref, metric, period_start, event_count
from {{ ref('usage_counters') }}
where aggregation is null
union all
select tenant_id, customer_ref, metric, period_start, count(*) as event_count
from {{ ref('int_usage_events_late') }}
where aggregation is null
group by 1, 2, 3, 4
