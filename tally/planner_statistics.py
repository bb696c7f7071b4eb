"""Statistics for the planner, renewed before counters are joined instead of whenever Postgres gets round to it.

A table that was filled a moment ago is taken for an almost empty one, and joined by reading it anew for each row of
another: four minutes to choose which of 10,000 totals to read, instead of a second.
"""

from typing import Any

import psycopg

# The tables beneath the lines, and those of the prices, that hold more than twice the pages that they were analyzed
# with; small ones matter to no plan. Found by what the views depend on, so that no list of them can be forgotten.
_OUTGROWN = """
with recursive beneath as (
    select relation.oid::oid
    from unnest(array[
        to_regclass('marts.reconciliation_lines'), 'tally.stripe_item_prices'::regclass, 'tally.stripe_prices'::regclass
    ]) as relation (oid)
    union
    select depends.refobjid
    from beneath
    inner join pg_rewrite as rule on rule.ev_class = beneath.oid
    inner join pg_depend as depends
        on depends.classid = 'pg_rewrite'::regclass and depends.objid = rule.oid
        and depends.refclassid = 'pg_class'::regclass
)

select relation.oid::regclass::text
from beneath
inner join pg_class as relation on relation.oid = beneath.oid
where relation.relkind = 'r'
  and pg_relation_size(relation.oid) / current_setting('block_size')::bigint > 2 * greatest(relation.relpages, 0) + 8
"""


def renew_statistics(connection: psycopg.Connection[Any]) -> None:
    """Analyze what has outgrown its statistics, in the transaction that is open, if one is.

    By a function that runs with its owner's rights: who reconciles owns neither Stripe's mirror nor what was declared.
    """
    for (table,) in connection.execute(_OUTGROWN).fetchall():
        connection.execute("select tally.analyze_table(%s::regclass)", (table,))
