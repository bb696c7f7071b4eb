update tally.alert_deliveries set
    state = %(state)s, attempts = attempts + 1, next_attempt_at = %(next_attempt_at)s, error = %(error)s,
    sent_at = case when %(state)s = 'sent' then %(now)s::timestamptz end
where tenant_id = %(tenant_id)s and alert_id = %(alert_id)s and delivery_id = %(delivery_id)s
