update tally.alerts set state = 'triggered', snoozed_until = null
where tenant_id = %(tenant_id)s and alert_id = %(alert_id)s and state = 'snoozed'
