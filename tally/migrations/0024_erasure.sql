-- Forgetting a customer: a random pseudonym takes the customer's place everywhere, of properties only what its meter counts by
-- stays, and what a payload hashed to is kept as it was. What is erased by which rule: docs/runbooks/erasure.md.
create table tally.erasures (
    erasure_id uuid        primary key default gen_random_uuid(),
    tenant_id  text        not null references tally.tenants,
    pseudonym  text        not null,
    erased_at  timestamptz not null,
    erased_by  text        not null check (erased_by <> ''),
    reason     text        not null check (reason <> ''),
    rows       jsonb       not null,
    forced     boolean     not null,
    made_in    text        not null default pg_current_xact_id()::text,
    unique (tenant_id, pseudonym)
);
comment on table tally.erasures is 'One row per customer erased. Who it was stands nowhere: the pseudonym is random, and nothing leads back from it.';
comment on column tally.erasures.rows is 'How many rows were changed, by table.';
comment on column tally.erasures.forced is 'Erased although something of the customer was open or unsettled.';
comment on column tally.erasures.made_in is 'The transaction that erased: only it may put the pseudonym into rows that never change otherwise. Text, because a restore leaves it as it was.';

-- Stripe still names the customer in metadata; a later sync must not bring the name back.
create table tally.erased_stripe_customers (
    tenant_id          text not null references tally.tenants,
    stripe_customer_id text not null,
    pseudonym          text not null,
    primary key (tenant_id, stripe_customer_id)
);
comment on table tally.erased_stripe_customers is 'Stripe customers of erased ones: what is synced of them is the pseudonym''s, whatever their metadata says.';

alter table raw.usage_events add column payload_hash uuid;
comment on table raw.usage_events is 'One row per delivery of a usage event, as the door accepted it. Never updated but by `tally erase`, never deleted.';
comment on column raw.usage_events.payload_hash is 'Of an erased row: the hash of the payload that landed, which the row can no longer give. Null: staging works it out.';
do $$
declare
    relation text;
begin
    -- Archived days are put back only with the same columns.
    for relation in select day.relation from tally.detached_days as day where day.dropped_at is null loop
        execute format('alter table %s add column payload_hash uuid', relation);
    end loop;
end;
$$;

-- In the words of staging.stg_usage_events, which works it out where it scans.
create function tally.payload_hash(customer_ref text, metric text, quantity numeric, event_time timestamptz, properties text)
returns uuid language sql stable as $$
    select md5(
        row(customer_ref, metric, trim_scale(quantity), extract(epoch from event_time), tally.canonical_properties(properties))::text
    )::uuid
$$;

create function tally.erased_name(name text, value text, secret text) returns text
language sql immutable parallel safe as $$
    select 'erased-' || left(encode(sha256(convert_to(secret || chr(31) || name || chr(31) || value, 'UTF8')), 'hex'), 32)
$$;
comment on function tally.erased_name is 'What stands for a property''s value: equal for equal values, and for nobody who lacks the secret.';

-- A value that a meter tells apart is told apart as before, by a name that a destroyed key gave it. A number that is billed, and
-- a value that the meter's filter lists, stand in the configuration or on the invoice: they stay.
create function tally.erased_value(name text, value text, meter tally.meters, secret text) returns text
language sql immutable parallel unsafe as $$
    select case
        when value is null or value = '' then value
        when (meter.filter -> name) ? value then value
        when name = meter.property and meter.aggregation <> 'unique'
            and tally.property_number(jsonb_build_object(name, value)::text, name) is not null then value
        when (name = meter.property and meter.aggregation = 'unique') or name = any (meter.dimensions)
            then tally.erased_name(name, value, secret)
    end
$$;
comment on function tally.erased_value is 'What stays of a property''s value (as tally.scalar_text) under a meter; null: nothing.';

create function tally.erased_properties(properties text, meter tally.meters, secret text) returns text
language sql immutable parallel unsafe as $$
    select jsonb_object_agg(held.key, stays.value)::text
    from jsonb_each(tally.properties_object(properties)) as held
    cross join lateral (
        select tally.erased_value(held.key, tally.scalar_text(held.value), meter, secret) as value
    ) as stays
    where stays.value is not null
$$;
comment on function tally.erased_properties is 'Properties that an erased event is measured, filtered and broken down by as before; null: none is.';

-- Also those that the meter no longer has: two of them must not become one.
create function tally.erased_dimensions(dimensions jsonb, meter tally.meters, secret text) returns jsonb
language sql immutable parallel unsafe as $$
    select coalesce(
        jsonb_object_agg(key, coalesce(tally.erased_value(key, value, meter, secret), tally.erased_name(key, value, secret))),
        dimensions
    )
    from jsonb_each_text(dimensions)
$$;

-- A whole word only: `ann` is neither in `joanne` nor in `ann@example.org`.
create function tally.erased_text(said text, pattern text, pseudonym text) returns text
language sql immutable parallel safe as $$
    select regexp_replace(said, pattern, pseudonym, 'g')
$$;

-- Whether this very transaction records that the pseudonym is one; null: that anybody of the tenant's was erased.
create function tally.is_erasing(of_tenant text, named text) returns boolean
language sql volatile as $$
    select exists (
        select from tally.erasures
        where tenant_id = of_tenant and (named is null or pseudonym = named)
            and made_in = pg_current_xact_id_if_assigned()::text
    )
$$;

create or replace function tally.push_intent_is_immutable() returns trigger language plpgsql as $$
begin
    if row(new.tenant_id, new.account, new.livemode, new.customer_ref, new.metric, new.period_start, new.period_end, new.seq,
           new.value, new.absolute_value, new.counter_value, new.event_name, new.stripe_customer_id, new.event_ts, new.identifier)
       is distinct from
       row(old.tenant_id, old.account, old.livemode, old.customer_ref, old.metric, old.period_start, old.period_end, old.seq,
           old.value, old.absolute_value, old.counter_value, old.event_name, old.stripe_customer_id, old.event_ts, old.identifier)
       and not (
           to_jsonb(new) - '{customer_ref,last_error}'::text[] = to_jsonb(old) - '{customer_ref,last_error}'::text[]
           and tally.is_erasing(old.tenant_id, new.customer_ref)
       )
    then
        raise exception 'push intent % is immutable: an identifier always means the same payload', old.identifier;
    end if;
    return new;
end;
$$;

create or replace function tally.closing_rest_is_immutable() returns trigger language plpgsql as $$
begin
    if old.state not in ('proposed', 'refused') and
       row(new.tenant_id, new.account, new.livemode, new.customer_ref, new.metric, new.period_start, new.seq, new.from_quantity,
           new.to_quantity, new.kind, new.amount_minor, new.currency, new.invoice_id, new.stripe_customer_id, new.credited_lines)
       is distinct from
       row(old.tenant_id, old.account, old.livemode, old.customer_ref, old.metric, old.period_start, old.seq, old.from_quantity,
           old.to_quantity, old.kind, old.amount_minor, old.currency, old.invoice_id, old.stripe_customer_id, old.credited_lines)
       and not (
           to_jsonb(new) - '{customer_ref,note,decision_note,last_error,payload}'::text[]
           = to_jsonb(old) - '{customer_ref,note,decision_note,last_error,payload}'::text[]
           and tally.is_erasing(old.tenant_id, new.customer_ref)
       )
    then
        raise exception 'closing rest % is decided: what was decided about does not change', old.rest_id;
    end if;
    return new;
end;
$$;

alter table tally.invoice_line_proofs add column erased_fingerprint text check (erased_fingerprint ~ '^[0-9a-f]{64}$');
comment on column tally.invoice_line_proofs.erased_fingerprint is 'Of an erased customer: SHA-256 over the row as it is since. `fingerprint` stays the one that was written down: whoever still knows the name can work it out with the name in the pseudonym''s place.';

create or replace function tally.invoice_line_proof_is_kept() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and tally.is_erasing(old.tenant_id, new.customer_ref)
       and to_jsonb(new) - '{customer_ref,differences,erased_fingerprint}'::text[]
           = to_jsonb(old) - '{customer_ref,differences,erased_fingerprint}'::text[]
    then
        return new;
    end if;
    raise exception 'tally.invoice_line_proofs is append-only: record another proof instead';
end;
$$;

-- A report stays as it was made; without the name of who was forgotten, its lines have another hash.
create or replace function tally.report_runs_stay() returns trigger language plpgsql as $$
begin
    if tg_table_name = 'report_lines' and tally.is_erasing(old.tenant_id, null)
       and to_jsonb(new) - '{customer_ref,customer_name,line}'::text[] = to_jsonb(old) - '{customer_ref,customer_name,line}'::text[]
    then
        return new;
    end if;
    if tg_table_name = 'report_runs' and to_jsonb(new) - 'lines_hash' = to_jsonb(old) - 'lines_hash'
       and tally.is_erasing(old.tenant_id, null)
    then
        return new;
    end if;
    raise exception 'report run % of % stays as it was made', old.run_id, old.tenant_id;
end
$$;
