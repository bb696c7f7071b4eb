update tally.alerts set sentence = %(sentence)s, seen_at = %(now)s
where tenant_id = %(tenant_id)s and alert_id = %(alert_id)s
