-- A new rest, or the proposed one brought up to its counter. No row comes back where another hand was faster: the sequence
-- number or the counter's one open place is taken, or the proposed rest was decided meanwhile.
insert into tally.closing_rests as old (
    rest_id, tenant_id, account, livemode, customer_ref, metric, period_start, period_end, seq, from_quantity, to_quantity,
    kind, amount_minor, currency, price_id, invoice_id, invoice_line_ids, stripe_customer_id, subscription_id,
    credited_lines, note, basis, amount_by, state, proposed_at, decided_at, decided_by, decision_note, done_at, done_by
)
select
    %(rest_id)s, %(tenant_id)s, %(account)s, %(livemode)s, %(customer_ref)s, %(metric)s, %(period_start)s, %(period_end)s,
    %(seq)s, %(from_quantity)s, %(to_quantity)s, %(kind)s, %(amount_minor)s, %(currency)s, %(price_id)s, %(invoice_id)s,
    %(invoice_line_ids)s, %(stripe_customer_id)s, %(subscription_id)s, %(credited_lines)s, %(note)s, %(basis)s, %(amount_by)s,
    %(state)s, %(now)s, %(decided_at)s, %(decided_by)s, %(decision_note)s, %(done_at)s, %(done_by)s
where not exists (
    select from tally.closing_rests as other
    where
        other.tenant_id = %(tenant_id)s
        and other.account = %(account)s
        and other.livemode = %(livemode)s
        and other.customer_ref = %(customer_ref)s
        and other.metric = %(metric)s
        and other.period_start = %(period_start)s
        and other.rest_id <> %(rest_id)s
        and (other.seq >= %(seq)s or other.state in ('proposed', 'approved', 'sending', 'refused'))
)
on conflict (rest_id) do update set
    from_quantity = excluded.from_quantity, to_quantity = excluded.to_quantity, kind = excluded.kind,
    amount_minor = excluded.amount_minor, currency = excluded.currency, price_id = excluded.price_id,
    invoice_id = excluded.invoice_id, invoice_line_ids = excluded.invoice_line_ids,
    credited_lines = excluded.credited_lines, note = excluded.note, basis = excluded.basis, state = excluded.state,
    period_end = excluded.period_end, amount_by = excluded.amount_by, decision_note = excluded.decision_note,
    proposed_at = case when old.to_quantity = excluded.to_quantity then old.proposed_at else excluded.proposed_at end,
    decided_at = excluded.decided_at, decided_by = excluded.decided_by, done_at = excluded.done_at, done_by = excluded.done_by
where old.state = 'proposed'
returning rest_id
