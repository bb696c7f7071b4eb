, open_holds as (
    select labelled.tenant, hold.state, hold.decided_at
    from tally.invoice_holds as hold
    inner join labelled using (tenant_id)
    where hold.state in ('holding', 'held', 'releasing')
)

select 'tally_closing_holds', array[tenant, state], count(*)::float8 from open_holds group by tenant, state
union all
select
    'tally_closing_oldest_hold_age_seconds',
    array[tenant],
    greatest(0, extract(epoch from tally.now() - min(decided_at)))::float8
from open_holds
group by tenant
union all
select 'tally_closing_rests', array[labelled.tenant, rest.state], count(*)::float8
from tally.closing_rests as rest
inner join labelled using (tenant_id)
where rest.state = any(%(open_rests)s)
group by labelled.tenant, rest.state
