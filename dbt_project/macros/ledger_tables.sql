{#- DDL of a ledger model's table, from its contract: typed columns, constraints, indexes. -#}
{% macro ledger_table_ddl(relation, node) %}
    {%- set columns = adapter.render_raw_columns_constraints(raw_columns=node.columns) -%}
    {%- set constraints = adapter.render_raw_model_constraints(raw_constraints=node.constraints) -%}
    create table if not exists {{ relation.include(database=false) }} ({{ (columns + constraints) | join(', ') }});
    {%- for index in node.config.get('indexes') or [] %}
    create index if not exists {{ relation.identifier ~ '_' ~ index['columns'] | join('_') }}
        on {{ relation.include(database=false) }} ({{ index['columns'] | join(', ') }});
    {%- endfor %}
{% endmacro %}

{#- Every ledger model's table that is not there yet, empty. Its bound stays 0: the model's first run fills it. -#}
{% macro create_missing_ledger_tables() %}
    {%- if execute -%}
        select pg_advisory_xact_lock(hashtext('tally.create_missing_ledger_tables'));
        {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.config.materialized == 'ledger' -%}
            {{ ledger_table_ddl(api.Relation.create(database=node.database, schema=node.schema, identifier=node.alias), node) }}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}

{#- Whether the table has the columns, in name, order and type, that the contract declares. -#}
{% macro has_contract_shape(relation, node) %}
    {%- set found = get_column_schema_from_query('select * from ' ~ relation) -%}
    {%- set declared = get_column_schema_from_query(get_empty_schema_sql(node.columns)) -%}
    {{ return(format_columns(found) == format_columns(declared)) }}
{% endmacro %}

{#- An empty table for a rebuild: truncated when its shape is right, so that the views on it stay. -#}
{% macro empty_ledger_table(relation, node, table_exists) %}
    {%- if table_exists and has_contract_shape(relation, node) -%}
        {%- call statement('empty') -%} truncate {{ relation }} {%- endcall -%}
    {%- else -%}
        {%- call statement('create') -%}
            drop table if exists {{ relation }} cascade;
            {{ ledger_table_ddl(relation, node) }}
        {%- endcall -%}
        {%- do persist_docs(relation, node) -%}
    {%- endif -%}
{% endmacro %}
