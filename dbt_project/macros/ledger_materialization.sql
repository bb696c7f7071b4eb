{#-
    `ledger`: append what landed since the model's own bound, and move the bound, in one transaction.

    Config: on_conflict = 'error' (default), 'nothing' or 'replace', by the contract's primary key.
    A kill at any point leaves rows and bound as they were, or both moved. `--full-refresh` empties the table, reads from the
    start and sets the bound, in the same single transaction.
-#}
{% materialization ledger, adapter='postgres' %}
    {%- set target = this.incorporate(type='table') -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- set window = open_window(target) -%}
    {%- if window.rebuild -%}
        {%- do empty_ledger_table(target, model, window) -%}
    {%- elif not window.has_contract_shape -%}
        {%- do exceptions.raise_compiler_error(
            'the table no longer has the columns of its contract: `tally dbt build --full-refresh --select ' ~ model.name ~ '+`'
        ) -%}
    {%- endif -%}
    {%- if config.get('at_the_door') and (window.rebuild or window.lacks_door_view) -%}
        {%- call statement('door_view') -%} {{ make_door_view(target) }} {%- endcall -%}
    {%- endif -%}
    {{ get_assert_columns_equivalent(sql) }}

    {%- set columns = model.columns | join(', ') -%}
    {% call statement('main') -%}
        insert into {{ target }} ({{ columns }})
        select {{ columns }} from (
            {{ with_window(sql, window) }}
        ) as landed
        {{ on_conflict_clause(model) }}
    {%- endcall %}
    {% call statement('bound') -%}
        update tally.model_bounds
        set read_to = '{{ window.read_to }}', updated_at = now()
        where model = '{{ bound_name(target) }}'
    {%- endcall %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}

{% macro on_conflict_clause(node) %}
    {%- set rule = node.config.get('on_conflict', 'error') -%}
    {%- set keys = node.constraints | selectattr('type', 'equalto', 'primary_key') | map(attribute='columns') | first -%}
    {%- if rule == 'nothing' -%}
        on conflict ({{ keys | join(', ') }}) do nothing
    {%- elif rule == 'replace' -%}
        {%- set others = node.columns | reject('in', keys) | list -%}
        on conflict ({{ keys | join(', ') }}) do update set
        {%- for column in others %} {{ column }} = excluded.{{ column }}{{ ',' if not loop.last }}{% endfor %}
    {%- elif rule != 'error' -%}
        {%- do exceptions.raise_compiler_error("on_conflict is 'error', 'nothing' or 'replace', not '" ~ rule ~ "'") -%}
    {%- endif -%}
{% endmacro %}
