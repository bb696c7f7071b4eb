-- Rule: a line has a cause exactly when it is not ok, and is ok only when all three verdicts are.
-- Relies on it: the person who gets the alert. At stake: a break that says nothing, or an ok that hides one.
select tenant_id, account, livemode, customer_ref, metric, period_start, verdict, cause
from {{ ref('reconciliation_lines') }}
where (verdict = 'ok') is distinct from (cause is null)
    or (verdict = 'ok') is distinct from (integrity_verdict = 'ok' and delivery_verdict = 'ok' and business_verdict = 'ok')
