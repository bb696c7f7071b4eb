, by_label as (
    select
        tenant,
        sum(counted_events) as counted,
        sum(duplicates) as duplicate,
        sum(conflicts) as conflict,
        sum(late_events) as late,
        sum(left_out_events) as left_out
    from marts.usage_deliveries
    inner join labelled using (tenant_id)
    group by tenant
)

select 'tally_ledger_deliveries', array[tenant, outcome], deliveries::float8
from by_label
cross join lateral (
    values ('counted', counted), ('duplicate', duplicate), ('conflict', conflict), ('late', late), ('left_out', left_out)
) as each (outcome, deliveries)
union all
select 'tally_ledger_counters', array[tenant], count(*)::float8
from marts.usage_counters
inner join labelled using (tenant_id)
group by tenant
