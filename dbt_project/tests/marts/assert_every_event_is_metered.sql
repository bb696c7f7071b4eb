-- Rule: every event's metric was declared when the event was read.
-- Relies on it: nothing counts otherwise. At stake: usage that is landed, kept and never billed.
-- To mend: declare the meter (`tally apply`), then `tally replay --metric` counts what landed before.
select
    tenant_id,
    customer_ref,
    metric,
    period_start,
    count(*) as unmetered_events
from {{ ref('int_usage_events_deduplicated') }}
where outcome = 'unmetered'
group by 1, 2, 3, 4
