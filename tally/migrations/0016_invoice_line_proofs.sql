-- What was proven of an invoice line, and when: small rows, kept for ever. What they say is worked out by tally/proof.
create table tally.invoice_line_proofs (
    tenant_id       text        not null references tally.tenants,
    account         text        not null,
    livemode        boolean     not null,
    customer_ref    text        not null,
    metric          text        not null,
    period_start    timestamptz not null,
    number          integer     not null check (number > 0),
    recorded_at     timestamptz not null,
    recorded_by     text        not null check (recorded_by <> ''),
    invoice_id      text,
    invoice_status  text,
    counter_read_to text        not null,
    counter_cluster text        not null,
    facts           jsonb       not null check (jsonb_typeof(facts) = 'object'),
    differences     text[]      not null,
    fingerprint     text        not null check (fingerprint ~ '^[0-9a-f]{64}$'),
    primary key (tenant_id, account, livemode, customer_ref, metric, period_start, number)
);
comment on table tally.invoice_line_proofs is 'Append-only: one row per time that an invoice line was proven. By "tally" when its invoice was first seen final, else by a person.';
comment on column tally.invoice_line_proofs.facts is 'What the line stood on: counts, sums, the hash over its events, intents and request ids, summary, price, amount. Exact numbers are text.';
comment on column tally.invoice_line_proofs.differences is 'What did not agree when it was recorded; empty: it was proven.';
comment on column tally.invoice_line_proofs.counter_read_to is 'The counter''s version: it held every landed row with a smaller transaction id of cluster counter_cluster. Text, because a restore leaves it as it was.';
comment on column tally.invoice_line_proofs.fingerprint is 'SHA-256 over the row, as docs/proof.md spells it: whoever wrote it down can tell whether the row was changed.';

create function tally.invoice_line_proof_is_kept() returns trigger language plpgsql as $$
begin
    raise exception 'tally.invoice_line_proofs is append-only: record another proof instead';
end;
$$;
create trigger invoice_line_proof_is_kept before update or delete on tally.invoice_line_proofs
    for each row execute function tally.invoice_line_proof_is_kept();

-- From a line or an invoice to its counter, and from an event's counter to its line: marts.invoice_line_events.
create index stripe_totals_invoice_lines on tally.stripe_totals using gin (string_to_array(invoice_line_id, ','));
create index stripe_totals_invoice on tally.stripe_totals (tenant_id, invoice_id);
create index stripe_totals_counter on tally.stripe_totals (tenant_id, customer_ref, metric, period_start);
