-- What is to be sent now, so many a channel: faults of the installation first, then the tenants', usage last.
with due as (
    select
        delivery.tenant_id, delivery.alert_id, delivery.delivery_id, delivery.channel, delivery.notice,
        delivery.attempts, alert.kind, alert.subject, alert.sentence, alert.state, alert.triggered_at,
        alert.resolved_at,
        row_number() over (
            partition by delivery.channel
            order by alert.kind like 'usage\_%%', delivery.tenant_id <> '*', delivery.planned_at, delivery.delivery_id
        ) as place
    from tally.alert_deliveries as delivery
    inner join tally.alerts as alert
        on alert.tenant_id = delivery.tenant_id and alert.alert_id = delivery.alert_id
    where delivery.state = 'waiting' and delivery.next_attempt_at <= %(now)s
)

select * from due
where place <= %(limit)s
order by place, channel
