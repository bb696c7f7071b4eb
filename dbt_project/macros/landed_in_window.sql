{#-
    The rows a ledger model has not read yet. In a model:

        from {{ ref('stg_usage_events') }} where {{ landed_in_window() }}

    Compiled, it is a true statement about every row (so unit tests, `dbt show` and `dbt compile` read everything); the
    `ledger` materialization puts the model's own bounds in the place of the two marked literals before it runs.
-#}
{% macro landed_in_window(relation=none, column='xid') -%}
    {%- set xid = (relation ~ '.' if relation else '') ~ column -%}
    {{ xid }} >= {{ window_start() }} and {{ xid }} < {{ window_end() }}
{%- endmacro %}

{% macro window_start() %}{{ return("'0' /* read from */") }}{% endmacro %}

{% macro window_end() %}{{ return("'18446744073709551615' /* read to */") }}{% endmacro %}

{#- The model's SQL with its window bounds as literals: Citus pushes those down, and Postgres plans with them. -#}
{% macro with_window(sql, window) %}
    {%- if window_start() not in sql or window_end() not in sql -%}
        {%- do exceptions.raise_compiler_error("a ledger model reads its input where {{ landed_in_window() }}; this one does not") -%}
    {%- endif -%}
    {{ return(sql | replace(window_start(), "'" ~ window.read_from ~ "'") | replace(window_end(), "'" ~ window.read_to ~ "'")) }}
{% endmacro %}
