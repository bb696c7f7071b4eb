{#- The columns name one row each; null is a value like any other. Returns every key that names several. -#}
{% test grain_is_unique(model, columns) %}
select
    {{ columns | join(', ') }},
    count(*) as rows_of_this_key
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}
