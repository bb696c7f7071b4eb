{#-
    The billing period [period_start, period_end) that holds a moment, as a lateral subquery of one row; `closes_with` is the end of
    the whole period, of which it may be a segment. Known periods come first; what lies between them is cut by the tenant's
    calendar and clipped by its neighbours, so that there is no gap and no overlap.

        cross join lateral {{ billing_period('event.tenant_id', 'event.customer_ref', 'event.event_time', 'tenant') }} as period

    `tenant` is the alias of a row of stg_tenants, whose columns may be null. Each known period is one probe of the primary key.
-#}
{% macro billing_period(tenant_id, customer_ref, moment, tenant) -%}
    (
        select
            case when known.holds then earlier.period_start else greatest(calendar.starts, earlier.period_end) end as period_start,
            case when known.holds then earlier.period_end else least(calendar.ends, later.period_start) end as period_end,
            case
                when known.holds then coalesce(earlier.closes_with, earlier.period_end)
                else least(calendar.ends, later.period_start)
            end as closes_with
        from (
            select
                unit,
                zone,
                date_trunc(unit, {{ moment }} at time zone zone) as local_start
            from (
                select coalesce({{ tenant }}.calendar_period, 'month') as unit, coalesce({{ tenant }}.time_zone, 'UTC') as zone
            ) as tenant_calendar
        ) as local_calendar
        -- Cut on the wall clock: a day is 23 or 25 hours long where the clocks change. Where midnight comes twice Postgres takes
        -- the second one, the day begins with the first: with the end of the moment before, which comes once or was the last.
        cross join lateral (
            select
                (local_start - instant) at time zone zone + instant as starts,
                (local_start + ('1 ' || unit)::interval - instant) at time zone zone + instant as ends
            from (select interval '1 microsecond' as instant) as smallest
        ) as calendar
        -- The table's exclusion constraint forbids overlap, so the latest start at or before the moment is the only candidate.
        left join lateral (
            select period_start, period_end, closes_with
            from {{ ref('stg_customer_periods') }} as stored
            where stored.tenant_id = {{ tenant_id }}
                and stored.customer_ref = {{ customer_ref }}
                and stored.period_start <= {{ moment }}
            order by stored.period_start desc
            limit 1
        ) as earlier on true
        cross join lateral (select coalesce(earlier.period_end > {{ moment }}, false) as holds) as known
        left join lateral (
            select period_start
            from {{ ref('stg_customer_periods') }} as stored
            where not known.holds
                and stored.tenant_id = {{ tenant_id }}
                and stored.customer_ref = {{ customer_ref }}
                and stored.period_start > {{ moment }}
            order by stored.period_start
            limit 1
        ) as later on true
    )
{%- endmacro %}
