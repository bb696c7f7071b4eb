"""The tables of the database and their columns, as the catalogue has them: a table that comes later is found too."""

from dataclasses import dataclass
from typing import Any

import psycopg

# A partition is reached through its table; an archived day is a table of its own.
_TABLES = """
select
    format('%I.%I', namespace.nspname, relation.relname),
    namespace.nspname,
    relation.relname,
    jsonb_object_agg(attribute.attname, format_type(attribute.atttypid, null) order by attribute.attnum),
    array(
        select part.attname::text
        from pg_index as key
        inner join pg_attribute as part on part.attrelid = key.indrelid and part.attnum = any (key.indkey)
        where key.indrelid = relation.oid and key.indisprimary
    )
from pg_class as relation
inner join pg_namespace as namespace on namespace.oid = relation.relnamespace
inner join pg_attribute as attribute on attribute.attrelid = relation.oid
where relation.relkind in ('r', 'p')
    and not relation.relispartition
    and attribute.attnum > 0
    and not attribute.attisdropped
    and namespace.nspname not in ('pg_catalog', 'information_schema')
    and namespace.nspname !~ '^pg_'
group by relation.oid, namespace.nspname, relation.relname
order by 1
"""
LANDED = ("raw", "archive")
COUNTED = ("ledger", "marts")


@dataclass(frozen=True)
class Table:
    """A table, quoted as SQL takes it; its columns with their types."""

    relation: str
    schema: str
    name: str
    columns: dict[str, str]
    key: list[str]

    @property
    def ref_columns(self) -> list[str]:
        """Columns that name a customer."""
        return [name for name in self.columns if name == "customer_ref" or name.endswith("_customer_ref")]

    @property
    def is_landed(self) -> bool:
        return self.schema in LANDED

    @property
    def holds_events(self) -> bool:
        """Whether its rows are of events, or made of them, under a meter."""
        return self.schema in (*LANDED, *COUNTED) and "metric" in self.columns


def tables(connection: psycopg.Connection[Any]) -> list[Table]:
    """Every table but Postgres's own."""
    return [Table(*row) for row in connection.execute(_TABLES)]
