-- A closing period ends within a day or has ended, and its invoice is not final: what differs there is about to be billed.
, lines as materialized (
    select
        labelled.tenant,
        line.verdict,
        line.severity,
        line.first_seen_at,
        line.summary_read_at,
        line.drift_ratio,
        line.drift_ratio > line.epsilon as is_beyond_epsilon,
        case when line.period_end > tally.now() + interval '24 hours' then 'running' else 'closing' end as period,
        line.verdict <> 'unmapped'
        and not tally.period_is_closed(line.period_end, line.invoice_status, tally.now()) as is_open
    from marts.reconciliation_lines as line
    inner join labelled using (tenant_id)
)

select 'tally_parity_lines', array[tenant, verdict], count(*)::float8 from lines group by tenant, verdict
union all
select 'tally_parity_findings', array[tenant, severity], count(*)::float8
from lines
where severity is not null
group by tenant, severity
union all
select
    'tally_parity_oldest_break_age_seconds',
    array[tenant],
    greatest(0, extract(epoch from tally.now() - min(first_seen_at)))::float8
from lines
where verdict = 'break' and first_seen_at is not null
group by tenant
union all
select 'tally_parity_drift_ratio', array[tenant, period], max(drift_ratio)::float8
from lines
where is_open and drift_ratio is not null
group by tenant, period
union all
select 'tally_parity_lines_beyond_epsilon', array[tenant, period], count(*) filter (where is_beyond_epsilon)::float8
from lines
where is_open
group by tenant, period
union all
select
    'tally_parity_last_read_age_seconds',
    array[tenant],
    greatest(0, extract(epoch from tally.now() - max(summary_read_at)))::float8
from lines
where summary_read_at is not null
group by tenant
