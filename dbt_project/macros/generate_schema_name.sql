{#- Schemas are exactly the declared ones: staging, ledger, marts. No target prefix, so SQL reads the same everywhere. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
