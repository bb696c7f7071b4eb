{#- DDL of a ledger model's table, from its contract: typed columns, constraints, indexes. -#}
{% macro ledger_table_ddl(relation, node) %}
    {%- set columns = adapter.render_raw_columns_constraints(raw_columns=node.columns) -%}
    {%- set constraints = adapter.render_raw_model_constraints(raw_constraints=node.constraints) -%}
    create table if not exists {{ relation.include(database=false) }} ({{ (columns + constraints) | join(', ') }});
    {%- for index in node.config.get('indexes') or [] %}
    create index if not exists {{ relation.identifier ~ '_' ~ index['columns'] | join('_') }}
        on {{ relation.include(database=false) }} using {{ index.get('type', 'btree') }} ({{ index['columns'] | join(', ') }});
    {%- endfor %}
{% endmacro %}

{#- Every ledger model's table that is not there yet, empty. Its bound stays 0: the model's first run fills it. -#}
{% macro create_missing_ledger_tables() %}
    {%- if execute -%}
        select pg_advisory_xact_lock(hashtext('tally.create_missing_ledger_tables'));
        {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.config.materialized == 'ledger' -%}
            {%- set relation = api.Relation.create(database=node.database, schema=node.schema, identifier=node.alias) %}
            {{ as_schema_owner(relation) }};
            {{ ledger_table_ddl(relation, node) }}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}

{#- Whether the table has the columns, in name, order and type, that the contract declares; as an SQL expression. -#}
{% macro has_contract_shape(relation, node) -%}
    coalesce((
        select array_agg(attname || ' ' || atttypid::regtype order by attnum)
        from pg_attribute
        where attrelid = to_regclass('{{ relation.include(database=false) }}') and attnum > 0 and not attisdropped
    ) = array[
        {%- for column in node.columns.values() %}'{{ column.name }} ' || '{{ column.data_type }}'::regtype{{ ', ' if not loop.last }}{% endfor -%}
    ], false)
{%- endmacro %}

{#- An empty table for a rebuild: truncated when its shape is right, so that the views on it stay. -#}
{% macro empty_ledger_table(relation, node, window) %}
    {%- if window.table_exists and window.has_contract_shape -%}
        {%- call statement('empty') -%} truncate {{ relation }} {%- endcall -%}
    {%- else -%}
        {%- call statement('create') -%}
            drop table if exists {{ relation }} cascade;
            {{ ledger_table_ddl(relation, node) }}
        {%- endcall -%}
        {%- do persist_docs(relation, node) -%}
    {%- endif -%}
{% endmacro %}
