-- Deletes the findings of a scope that the check did not see again: their lines agree, or are gone.
-- Parameters: tenant_id, starting_from, starting_before, customer_ref (null: all), check_id.
delete from tally.reconciliation_findings
where
    tenant_id = %(tenant_id)s
    and (%(starting_from)s::timestamptz is null or period_start >= %(starting_from)s)
    and (%(starting_before)s::timestamptz is null or period_start < %(starting_before)s)
    and (%(customer_ref)s::text is null or customer_ref = %(customer_ref)s)
    and check_id <> %(check_id)s
