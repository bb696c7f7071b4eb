-- What a meter may say beyond its aggregation, and how a tenant cuts calendar periods.
alter table tally.tenants
    add column calendar_period text not null default 'month' check (calendar_period in ('day', 'week', 'month'));
comment on column tally.tenants.calendar_period is 'Period of a customer for whom no billing period is known: a day, a week from Monday or a month, cut in time_zone.';

alter table tally.meters
    drop constraint meters_aggregation_check,
    add constraint meters_aggregation_check check (aggregation in (
        'count', 'sum', 'min', 'max', 'last', 'unique', 'average', 'percentile', 'time_weighted_sum'
    )),
    add column property   text check (length(property) between 1 and 255),
    add column percentile numeric check (percentile > 0 and percentile <= 1),
    add column time_unit  text check (time_unit in ('second', 'minute', 'hour', 'day')),
    add column divide_by  numeric not null default 1 check (divide_by > 0 and divide_by < 'Infinity'),
    add column filter     jsonb   not null default '{}' check (jsonb_typeof(filter) = 'object'),
    add column dimensions text[]  not null default '{}' check (cardinality(dimensions) <= 5),
    add constraint meters_unique_needs_a_property check (aggregation <> 'unique' or property is not null),
    add constraint meters_percentile check ((aggregation = 'percentile') = (percentile is not null)),
    add constraint meters_time_unit check ((aggregation = 'time_weighted_sum') = (time_unit is not null));
comment on column tally.meters.property is 'Measured instead of the quantity: a number, or for unique the value that is told apart. Null: the quantity.';
comment on column tally.meters.percentile is 'Of percentile: the share of events whose quantity is at most the value, e.g. 0.95.';
comment on column tally.meters.time_unit is 'Of time_weighted_sum: a quantity of 1 held for this long counts 1.';
comment on column tally.meters.divide_by is 'The aggregate is divided by this once, at the counter (bytes to GB: 1000000000), and rounded to 12 decimals.';
comment on column tally.meters.filter is 'Only events count whose properties have one of the listed values each: {"region": ["eu", "us"]}.';
comment on column tally.meters.dimensions is 'Properties by whose values hourly and daily usage is broken down.';

-- A plan change cuts a billing period into segments that are counted and priced apart and close together.
alter table tally.customer_periods add column closes_with timestamptz check (closes_with >= period_end);
comment on column tally.customer_periods.closes_with is 'Of a segment: the end of the billing period that it is a part of. Null: the row is a whole period.';

-- Whoever asks SQL for the time gets the same as every process: the simulated clock where one is set, else the server's.
create function tally.now() returns timestamptz language sql stable
    as $$ select coalesce((select now from tally.simulated_clock), now()) $$;

-- Properties are JSON text that the door checked; what came in past the door and is no JSON has no properties.
-- Parallel unsafe: an exception block is a subtransaction, which a parallel plan may not start.
create function tally.properties_object(properties text) returns jsonb
language plpgsql immutable parallel unsafe as $$
declare
    parsed jsonb;
begin
    -- Down here, not where it is declared: the exceptions of a declaration are the caller's.
    parsed := properties::jsonb;
    return case when jsonb_typeof(parsed) = 'object' then parsed else '{}' end;
exception
    when data_exception or program_limit_exceeded then
        return '{}';
end;
$$;

-- Index rows hold these texts: one long value must never stop the ledger, so a digest that is as different stands for it.
create function tally.scalar_text(value jsonb) returns text
language plpgsql immutable parallel safe as $$
declare
    shown text := case jsonb_typeof(value)
        when 'string' then value #>> '{}'
        when 'number' then trim_scale(value::numeric)::text
        when 'boolean' then value #>> '{}'
    end;
begin
    return case
        when octet_length(shown) > 128 then 'sha256:' || encode(sha256(convert_to(shown, 'UTF8')), 'hex')
        else shown
    end;
end;
$$;
comment on function tally.scalar_text is 'A JSON scalar as text, 1.0 like 1; more than 128 bytes as sha256:<hex of the text>; null for null, a list or an object.';

create function tally.property_text(properties text, name text) returns text
language sql immutable parallel unsafe as $$
    select tally.scalar_text(tally.properties_object(properties) -> name)
$$;
comment on function tally.property_text is 'A property''s value as tally.scalar_text; null when it is absent, null, a list or an object.';

create function tally.property_number(properties text, name text) returns numeric
language plpgsql immutable parallel unsafe as $$
declare
    value text := tally.property_text(properties, name);
begin
    return case when value ~ '^-?[0-9]{1,15}(\.[0-9]{1,12})?$' then trim_scale(value::numeric) end;
end;
$$;
comment on function tally.property_number is 'A property''s value as a number (at most 15 digits before and 12 behind the point, as a JSON number or a string); else null.';

create function tally.matches_filter(properties text, filter jsonb) returns boolean
language plpgsql immutable parallel unsafe as $$
declare
    held jsonb;
begin
    if filter = '{}' then
        return true;
    end if;
    held := tally.properties_object(properties);
    return (
        select coalesce(bool_and(coalesce(condition.value ? tally.scalar_text(held -> condition.key), false)), true)
        from jsonb_each(filter) as condition
    );
end;
$$;
comment on function tally.matches_filter is 'Whether each property that the filter names has one of the values listed for it.';

create function tally.event_dimensions(properties text, names text[]) returns jsonb
language plpgsql immutable parallel unsafe as $$
declare
    held jsonb;
begin
    if cardinality(names) = 0 then
        return null;
    end if;
    held := tally.properties_object(properties);
    return (
        select jsonb_object_agg(dimension, coalesce(tally.scalar_text(held -> dimension), ''))
        from unnest(names) as dimension
    );
end;
$$;
comment on function tally.event_dimensions is 'The named properties as text, an absent one as ""; null for no names.';

-- numeric's own division keeps 16 digits; 40 decimals are more than any quotient here needs to be rounded once and right.
create function tally.billable_quotient(numerator numeric, denominator numeric) returns numeric
language sql immutable parallel safe as $$
    select trim_scale(round(exact.quotient, greatest(0, least(12, 15 - length(trunc(abs(exact.quotient))::text)))))
    from (select round(numerator, 40) / denominator as quotient) as exact
$$;
comment on function tally.billable_quotient is 'The quotient, rounded once, half away from zero, to 12 decimals and 15 digits: what Stripe can carry.';

create function tally.event_value(
    aggregation text, time_unit text, divide_by numeric,
    event_count bigint, quantity_sum numeric, quantity_min numeric, quantity_max numeric, last_quantity numeric,
    member_count bigint, percentile_quantity numeric, unit_microseconds numeric
) returns numeric
language sql immutable parallel safe as $$
    select case
        when aggregation = 'average' then tally.billable_quotient(quantity_sum, event_count * divide_by)
        when aggregation = 'time_weighted_sum' then tally.billable_quotient(
            unit_microseconds,
            divide_by * case time_unit
                when 'second' then 1000000
                when 'minute' then 60000000
                when 'hour' then 3600000000
                when 'day' then 86400000000
            end
        )
        when divide_by = 1 then whole.aggregate
        else tally.billable_quotient(whole.aggregate, divide_by)
    end
    from (
        select case aggregation
            when 'count' then event_count::numeric
            when 'sum' then quantity_sum
            when 'min' then quantity_min
            when 'max' then quantity_max
            when 'last' then last_quantity
            when 'unique' then member_count::numeric
            when 'percentile' then percentile_quantity
        end as aggregate
    ) as whole
$$;
comment on function tally.event_value is 'What a counter''s events amount to under its meter. The only place where they are divided and rounded.';
