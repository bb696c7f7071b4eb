{#-
    Columns as Postgres names their types. dbt's own query asks the information schema, which calls every list ARRAY: unit-test
    fixtures of a relation with such a column could not be cast.
-#}
{% macro postgres__get_columns_in_relation(relation) -%}
    {%- call statement('get_columns_in_relation', fetch_result=True) -%}
        select
            attribute.attname as column_name,
            format_type(attribute.atttypid, attribute.atttypmod) as data_type,
            null::integer as character_maximum_length,
            null::integer as numeric_precision,
            null::integer as numeric_scale
        from pg_attribute as attribute
        where attribute.attrelid = to_regclass('{{ relation.include(database=false) }}')
            and attribute.attnum > 0
            and not attribute.attisdropped
        order by attribute.attnum
    {%- endcall -%}
    {{ return(sql_convert_columns_in_relation(load_result('get_columns_in_relation').table)) }}
{%- endmacro %}
