-- Locked: whoever takes one on meanwhile waits for this evaluation, and it for them.
select
    tenant_id, alert_id, kind, subject, sentence, state, triggered_at, seen_at, snoozed_until, resolved_at, resolved_by
from tally.alerts
where state <> 'resolved'
order by tenant_id, alert_id
for update
