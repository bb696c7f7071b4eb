update tally.alerts set state = 'resolved', snoozed_until = null, resolved_at = %(now)s, resolved_by = %(by)s
where tenant_id = %(tenant_id)s and alert_id = %(alert_id)s
