{#- The name of a relation in tally.model_bounds. -#}
{% macro bound_name(relation) %}{{ return(relation.schema ~ '.' ~ relation.identifier) }}{% endmacro %}

{#-
    Lock the model's bound and say what to read: {read_from, read_to, rebuild, table_exists, has_contract_shape,
    lacks_door_view}. The lock lasts until the
    transaction ends, so a tick and a `dbt build` at once run one after the other, each from where the other committed.
-#}
{% macro open_window(target) %}
    {%- set model_name = bound_name(target) -%}
    {%- call statement('bound', fetch_result=True) -%}
        {#- A window of some 100,000 rows is sorted and joined in memory; for this transaction only. -#}
        set local work_mem = '64MB';
        {#- Rows of the window are beyond the planner's statistics: it would take them for none and loop over them for each other, or
            merge them by an index on xid, in which all that landed at once are equal. So they are hashed.
            A probe by key is written as a lateral subquery with a limit, which this does not forbid. -#}
        set local enable_nestloop = off;
        set local enable_mergejoin = off;
        {{ as_schema_owner(target) }};
        insert into tally.model_bounds (model, system_identifier)
        values ('{{ model_name }}', tally.cluster_identifier())
        on conflict (model) do nothing;
        select from tally.model_bounds where model = '{{ model_name }}' for update;
        {#- A statement of its own, after the lock: a bound that another run has just moved must be seen. -#}
        select
            read_to::text,
            system_identifier,
            tally.cluster_identifier(),
            to_regclass('{{ target.include(database=false) }}') is not null,
            {{ has_contract_shape(target, model) }},
            greatest(({{ newest_readable_xid() }}), read_to)::text,
            {{ door_view_is_missing(target, model) }}
        from tally.model_bounds
        where model = '{{ model_name }}'
    {%- endcall -%}
    {%- set bound = load_result('bound')['data'][0] -%}
    {%- do refuse_foreign_bound(model_name, bound[1], bound[2]) -%}
    {%- set rebuild = should_full_refresh() or not bound[3] or bound[0] == '0' -%}
    {%- if rebuild -%}{%- do refuse_to_forget_detached_days(model_name) -%}{%- endif -%}
    {{ return({
        'read_from': '0' if rebuild else bound[0],
        'read_to': bound[5],
        'rebuild': rebuild,
        'table_exists': bound[3],
        'has_contract_shape': bound[4],
        'lacks_door_view': bound[6],
    }) }}
{% endmacro %}

{#-
    A model that reads landed rows stops before the oldest transaction still open: nothing below it can appear any more.
    A model that reads other ledger models stops where all of them have committed.
-#}
{% macro newest_readable_xid() %}
    {%- set followed = [] -%}
    {%- for unique_id in model.depends_on.nodes -%}
        {%- set node = graph.nodes.get(unique_id) -%}
        {%- if node and node.config.materialized == 'ledger' -%}{%- do followed.append(node.schema ~ '.' ~ node.alias) -%}{%- endif -%}
    {%- endfor -%}
    {%- if followed -%}
        select min(read_to) from tally.model_bounds where model in ('{{ followed | join("', '") }}')
    {%- else -%}
        select pg_snapshot_xmin(pg_current_snapshot())
    {%- endif -%}
{% endmacro %}

{% macro refuse_foreign_bound(model_name, bound_cluster, this_cluster) %}
    {%- if bound_cluster != this_cluster -%}
        {%- do exceptions.raise_compiler_error(
            model_name ~ ': its bound counts transactions of the database cluster ' ~ bound_cluster ~ ', but this is cluster '
            ~ this_cluster ~ ': the database was restored or copied. Transaction ids do not survive that, so reading on would skip '
            ~ 'or repeat events. Re-stamp the landed rows and bounds first: docs/runbooks/restore.md.'
        ) -%}
    {%- endif -%}
{% endmacro %}

{#- How far a model has read, as a scalar; for tests that compare it with its input at one moment, also between two models' commits. -#}
{% macro read_to(relation) -%}
    (select read_to from {{ ref('stg_model_bounds') }} where model = '{{ bound_name(relation) }}')
{%- endmacro %}
