{#- Make relations as whoever owns the schema, for the rest of the transaction, so that several services may run dbt. -#}
{% macro as_schema_owner(relation) -%}
    select set_config('role', pg_get_userbyid(nspowner), true) from pg_namespace
    where nspname = '{{ relation.schema }}' and pg_has_role(nspowner, 'member')
{%- endmacro %}

{#-
    The view by which the ingest door reads a model whose config says `at_the_door: true`: rows of the session's tenant
    only. docs/security.md.
-#}
{% macro make_door_view(relation) -%}
    create or replace view door.{{ relation.identifier }} as
    select * from {{ relation.include(database=false) }} where tenant_id = current_setting('tally.tenant_id', true)
{%- endmacro %}

{% macro door_view_is_missing(relation, node) -%}
    {{ 'true' if node.config.get('at_the_door') else 'false' }} and to_regclass('door.{{ relation.identifier }}') is null
{%- endmacro %}
