{#- What a counter amounts to under its aggregation; null while its metric is not declared. -#}
{% macro counter_value(counter) -%}
    case {{ counter }}.aggregation
        when 'count' then {{ counter }}.event_count::numeric
        when 'sum' then {{ counter }}.quantity_sum
        when 'min' then {{ counter }}.quantity_min
        when 'max' then {{ counter }}.quantity_max
        when 'last' then {{ counter }}.last_quantity
    end
{%- endmacro %}
