-- Whoever was told of the alert is told that it is over. A message that still waits will say both at once.
insert into tally.alert_deliveries (tenant_id, alert_id, channel, notice, planned_at, next_attempt_at)
select distinct told.tenant_id, told.alert_id, told.channel, 'resolved', %(now)s::timestamptz, %(now)s::timestamptz
from tally.alert_deliveries as told
where told.tenant_id = %(tenant_id)s and told.alert_id = %(alert_id)s and told.state = 'sent'
  and told.channel = any(%(channels)s::text[])
