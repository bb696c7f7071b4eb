{#-
    Views are replaced in place, instead of dbt's create-rename-drop: dropping one would take the views on it along, and a tick
    that runs beside a `dbt build` would find it missing. A view whose columns changed needs `--full-refresh`.
-#}
{% materialization view, adapter='postgres' %}
    {%- set target = this.incorporate(type='view') -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {#- Two builds of a new database at once: the second replaces what the first made, instead of failing to make it too. -#}
    {%- call statement('lock') -%} {{ as_schema_owner(target) }}; select pg_advisory_xact_lock(hashtext('{{ target.schema ~ '.' ~ target.identifier }}')) {%- endcall -%}
    {%- if should_full_refresh() -%}
        {%- call statement('drop') -%} drop view if exists {{ target }} cascade {%- endcall -%}
    {%- endif -%}
    {% call statement('main') -%}
        {{ get_replace_view_sql(target, sql) }}
    {%- endcall %}
    {%- if config.get('at_the_door') -%}
        {%- call statement('door_view') -%} {{ make_door_view(target) }} {%- endcall -%}
    {%- endif -%}
    {%- do persist_docs(target, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}
