-- Notes every line of a scope that does not agree now. A check counts when it has a reading of its own.
-- Parameters: tenant_id, starting_from, starting_before, customer_ref (null: all), now, check_id.
insert into tally.reconciliation_findings as old (
    tenant_id, account, livemode, customer_ref, metric, period_start, code, cause,
    first_seen_at, last_seen_at, read_at, checks, check_id
)
select
    tenant_id, account, livemode, customer_ref, metric, period_start, split_part(cause, ':', 1), cause,
    %(now)s, %(now)s, greatest(summary_read_at, invoice_read_at), 1, %(check_id)s
from marts.reconciliation_lines
where
    tenant_id = %(tenant_id)s
    and (%(starting_from)s::timestamptz is null or period_start >= %(starting_from)s)
    and (%(starting_before)s::timestamptz is null or period_start < %(starting_before)s)
    and (%(customer_ref)s::text is null or customer_ref = %(customer_ref)s)
    and verdict in ('break', 'missing')
on conflict (tenant_id, account, livemode, customer_ref, metric, period_start) do update set
    code = excluded.code,
    cause = excluded.cause,
    first_seen_at = case when old.code = excluded.code then old.first_seen_at else excluded.first_seen_at end,
    last_seen_at = excluded.last_seen_at,
    read_at = excluded.read_at,
    checks = case
        when old.code <> excluded.code then 1
        when old.read_at is distinct from excluded.read_at then old.checks + 1
        else old.checks
    end,
    check_id = excluded.check_id
returning checks = 1 as is_new
