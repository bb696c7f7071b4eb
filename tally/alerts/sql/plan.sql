-- One message a channel, unless this fault was told there, or is about to be, since %(since)s: also as an earlier alert.
insert into tally.alert_deliveries (tenant_id, alert_id, channel, notice, planned_at, next_attempt_at)
select alert.tenant_id, alert.alert_id, channel, %(notice)s, %(now)s, %(now)s
from tally.alerts as alert, unnest(%(channels)s::text[]) as channel
where alert.tenant_id = %(tenant_id)s and alert.alert_id = %(alert_id)s
  and not exists (
      select from tally.alert_deliveries as earlier
      inner join tally.alerts as same
          on same.tenant_id = earlier.tenant_id and same.alert_id = earlier.alert_id
      where same.tenant_id = alert.tenant_id and same.kind = alert.kind and same.subject = alert.subject
        and earlier.channel = channel and earlier.notice <> 'resolved'
        and (earlier.state = 'waiting' or (earlier.state in ('sent', 'failed') and earlier.planned_at > %(since)s))
  )
order by channel
