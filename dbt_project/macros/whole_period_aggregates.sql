{#- Nearest rank: the smallest quantity that at least the meter's share of the counter's events do not exceed. -#}
{% macro nearest_rank(counter, meter) -%}
    (
        select quantity as percentile_quantity
        from (
            select
                stored.value::numeric as quantity,
                sum(stored.events) over (order by stored.value::numeric) as events_up_to,
                sum(stored.events) over () as events
            from {{ ref('int_usage_value_counts') }} as stored
            where {{ meter }}.aggregation = 'percentile'
                and stored.tenant_id = {{ counter }}.tenant_id
                and stored.customer_ref = {{ counter }}.customer_ref
                and stored.metric = {{ counter }}.metric
                and stored.period_start = {{ counter }}.period_start
        ) as quantities
        where events_up_to >= {{ meter }}.percentile * events
        order by quantity
        limit 1
    )
{%- endmacro %}

{#-
    What a gauge held from its first reading in the period to the period's end: quantity times microseconds, exact. A reading holds
    until the next one; of several at one moment the last by (landed_at, seq) holds, the others hold for no time.
-#}
{% macro held_quantity(counter, meter) -%}
    (
        select
            sum(quantity * trim_scale(extract(epoch from holds_until - event_time) * 1000000)) as unit_microseconds,
            min(event_time) as first_event_time
        from (
            select
                stored.quantity,
                stored.event_time,
                lead(stored.event_time, 1, {{ counter }}.period_end) over (
                    order by stored.event_time, stored.landed_at, stored.seq
                ) as holds_until
            from {{ ref('int_usage_gauge_readings') }} as stored
            where {{ meter }}.aggregation = 'time_weighted_sum'
                and stored.tenant_id = {{ counter }}.tenant_id
                and stored.customer_ref = {{ counter }}.customer_ref
                and stored.metric = {{ counter }}.metric
                and stored.period_start = {{ counter }}.period_start
        ) as readings
    )
{%- endmacro %}
