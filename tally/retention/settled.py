"""Which counters are done with: billed by a final invoice that agrees, and nothing about them waits for a person."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import psycopg

from tally.retention.errors import RetentionRefused

# A temporary table: the reconciliation of every counter is worked out once, not once a day of landed rows.
_JUDGE = """
create temporary table unsettled_counters as
select
    counter.tenant_id,
    counter.customer_ref,
    counter.metric,
    counter.period_start,
    case
        when counter.closes_at > %(now)s then 'period open: takes events until '
            || to_char(counter.closes_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI"Z"')
        when pending.adjustments > 0 then 'adjustment pending: tally adjustments list'
        when line.verdicts is null then 'not reconciled: it stands on no line of tally reconcile'
        when line.verdicts <> 'ok' then 'not reconciled: ' || line.verdicts || coalesce(', ' || line.causes, '')
        else 'not finalized: no final invoice was read for it'
    end as reason
from (
    select tenant_id, customer_ref, metric, period_start, max(closes_at) as closes_at
    from ledger.int_usage_events_deduplicated
    group by 1, 2, 3, 4
) as counter
left join (
    select
        tenant_id, customer_ref, metric, period_start,
        string_agg(distinct verdict, ', ') as verdicts,
        string_agg(distinct split_part(cause, ':', 1), ', ') as causes,
        bool_and(coalesce(invoice_status in ('open', 'paid', 'void', 'uncollectible'), false)) as is_final
    from marts.reconciliation_lines
    group by 1, 2, 3, 4
) as line using (tenant_id, customer_ref, metric, period_start)
cross join lateral (
    select count(*) as adjustments
    from tally.adjustments as adjustment
    where adjustment.tenant_id = counter.tenant_id
        and adjustment.customer_ref = counter.customer_ref
        and adjustment.metric = counter.metric
        and adjustment.period_start = counter.period_start
        and adjustment.state = 'pending'
) as pending
where counter.closes_at > %(now)s
    or pending.adjustments > 0
    or line.verdicts is distinct from 'ok'
    or not line.is_final
"""


@contextmanager
def judged_counters(connection: psycopg.Connection, now: datetime) -> Iterator[None]:
    """While the block lasts, the temporary table `unsettled_counters` says which counters must be kept whole, and why.

    Raises:
        RetentionRefused: the ledger was never built, or is another cluster's.
    """
    if connection.execute("select to_regclass('marts.reconciliation_lines') is null").fetchone() == (True,):
        raise RetentionRefused("the ledger was never built, so nothing has been read and nothing may go: `tally tick`")
    foreign = "select exists (select from tally.model_bounds where system_identifier <> tally.cluster_identifier())"
    if connection.execute(foreign).fetchone() == (True,):
        raise RetentionRefused("this database was restored and not re-stamped: first `tally restore --restamp-only`")
    connection.execute(_JUDGE, {"now": now})
    connection.execute("analyze unsettled_counters")
    try:
        yield
    finally:
        connection.execute("drop table unsettled_counters")
