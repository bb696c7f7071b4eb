{%- from 'whole_period_aggregates.sql' import nearest_rank, held_quantity with context -%}
{#-
    What counters amount to, from `state`: a relation with the counters' keys, period_end, event_count, quantity_sum, quantity_min,
    quantity_max, last_quantity, member_count and opening_quantity (what a gauge held when the period began).
-#}
{% macro counter_values(state) -%}
    select
        state.tenant_id,
        state.customer_ref,
        state.metric,
        state.period_start,
        case
            when state.event_count = 0 and state.opening_quantity = 0 then 0
            else tally.event_value(
                meter.aggregation, meter.time_unit, meter.divide_by,
                state.event_count::bigint, state.quantity_sum, state.quantity_min, state.quantity_max, state.last_quantity,
                state.member_count, ranked.percentile_quantity,
                coalesce(held.unit_microseconds, 0) + state.opening_quantity * trim_scale(
                    extract(epoch from coalesce(held.first_event_time, state.period_end) - state.period_start) * 1000000
                )
            )
        end as value
    from {{ state }} as state
    inner join tally.meters as meter using (tenant_id, metric)
    left join lateral {{ nearest_rank('state', 'meter') }} as ranked on true
    left join lateral {{ held_quantity('state', 'meter') }} as held on true
{%- endmacro %}
