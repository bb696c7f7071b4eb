insert into tally.alert_deliveries (tenant_id, alert_id, channel, notice, planned_at, next_attempt_at)
select %(tenant_id)s, %(alert_id)s, channel, 'resolved', %(now)s, %(now)s
from unnest(%(channels)s::text[]) as channel
order by channel
