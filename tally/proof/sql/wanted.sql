{#-
    The counters asked about, by position. The invoice line bills from billed_from to billed_to; known_to is the bound of the proof
    to compare with, null where there is none.
-#}
{% macro wanted() -%}
    wanted as (
        select
            position - 1 as position, customer_ref, metric, period_start, period_end, billed_from, billed_to,
            known_to::xid8 as known_to
        from unnest(
            %(customers)s::text[], %(metrics)s::text[], %(starts)s::timestamptz[], %(ends)s::timestamptz[],
            %(billed_from)s::timestamptz[], %(billed_to)s::timestamptz[], %(known_to)s::text[]
        ) with ordinality as listed (
            customer_ref, metric, period_start, period_end, billed_from, billed_to, known_to, position
        )
    )
{%- endmacro %}
