{#-
    What becomes of an event, decided once, when it is read (or replayed). `event` is its first delivery, `meter` its metric's row of
    stg_meters (null where none was declared), `measured` what it measures, `closing` its closes_at.
-#}
{% macro event_outcome(event, meter, measured, closing, reversal) -%}
    case
        when {{ meter }}.aggregation is null then 'unmetered'
        when {{ reversal }}.idempotency_key is not null then 'reversed'
        when {{ meter }}.filter <> '{}' and not tally.matches_filter({{ event }}.properties, {{ meter }}.filter) then 'filtered'
        when {{ measured }}.quantity is null then 'unmeasurable'
        when {{ meter }}.aggregation = 'unique' and {{ measured }}.member is null then 'unmeasurable'
        when {{ event }}.landed_at >= {{ closing }}.closes_at then 'late'
        else 'counted'
    end
{%- endmacro %}

{#- What an event measures, as a lateral subquery of one row: `quantity` (null when its property is no number), `member`, `dimensions`. -#}
{% macro measured(event, meter) -%}
    (
        select
            case
                when {{ meter }}.property is null or {{ meter }}.aggregation = 'unique' then trim_scale({{ event }}.quantity)
                else tally.property_number({{ event }}.properties, {{ meter }}.property)
            end as quantity,
            case
                when {{ meter }}.aggregation = 'unique' then tally.property_text({{ event }}.properties, {{ meter }}.property)
            end as member,
            case
                when cardinality({{ meter }}.dimensions) > 0
                    then tally.event_dimensions({{ event }}.properties, {{ meter }}.dimensions)
            end as dimensions
    )
{%- endmacro %}
