{#- Whether a delivery landed on a day whose rows retention has taken out of raw.usage_events; never null. -#}
{% macro landed_on_detached_day(landed_at) -%}
    coalesce(({{ landed_at }} at time zone 'UTC')::date in (select day from {{ source('tally', 'detached_days') }}), false)
{%- endmacro %}

{#- A model that reads landed rows cannot be filled anew without those of detached days: their events would be forgotten, and count again. -#}
{% macro refuse_to_forget_detached_days(model_name) %}
    {%- if 'model.tallyledger.stg_usage_events' in model.depends_on.nodes -%}
        {%- call statement('detached', fetch_result=True) -%}
            select count(*), min(day)::text from tally.detached_days
        {%- endcall -%}
        {%- set detached = load_result('detached')['data'][0] -%}
        {%- if detached[0] > 0 -%}
            {%- do exceptions.raise_compiler_error(
                model_name ~ ': it would be filled from the start, and the landed rows of ' ~ detached[0] ~ ' days (the first is '
                ~ detached[1] ~ ') are archived: their events would be forgotten, and count again when they are sent again. '
                ~ 'Put the days back first: docs/runbooks/retention.md.'
            ) -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}
