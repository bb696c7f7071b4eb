-- A new alert, unless it is open or a person said within the cooldown that it is over.
insert into tally.alerts (tenant_id, kind, subject, sentence, triggered_at, seen_at)
select %(tenant_id)s, %(kind)s, %(subject)s, %(sentence)s, %(now)s, %(now)s
where not exists (
    select from tally.alerts
    where tenant_id = %(tenant_id)s and kind = %(kind)s and subject = %(subject)s
      and (state <> 'resolved' or (resolved_by <> %(itself)s and resolved_at > %(since)s))
)
on conflict (tenant_id, kind, subject) where state <> 'resolved' do nothing
returning alert_id
