"""Every table with transaction ids in it: partitions of landed rows, and others by their columns."""

from dataclasses import dataclass

import psycopg

EVENTS = "ledger.int_usage_events_deduplicated"
# Their xid is that of a delivery that was not its event's first; every other column's is a first delivery's.
_OF_REPEATS = {("ledger.int_usage_events_conflicts", "xid"), ("tally.conflict_decisions", "xid")}
_RAW = """
select format('%I.%I', namespace.nspname, relation.relname)
from pg_class as relation
inner join pg_namespace as namespace on namespace.oid = relation.relnamespace
where relation.relkind = 'r'
    and (relation.oid in (select relid from pg_partition_tree('raw.usage_events')) or namespace.nspname = 'archive')
order by 1
"""
_COLUMNS = """
select format('%I.%I', namespace.nspname, relation.relname),
    array_agg(attribute.attname::text order by attribute.attnum)
from pg_attribute as attribute
inner join pg_class as relation on relation.oid = attribute.attrelid
inner join pg_namespace as namespace on namespace.oid = relation.relnamespace
where attribute.atttypid = 'xid8'::regtype
    and attribute.attnum > 0
    and not attribute.attisdropped
    and relation.relkind = 'r'
    and namespace.nspname in ('ledger', 'marts', 'tally')
    and relation.oid <> 'tally.model_bounds'::regclass
group by namespace.nspname, relation.relname
"""


@dataclass(frozen=True)
class Relation:
    """A table, quoted as SQL takes it, and its columns of transaction ids: name, and whether they are of repeats."""

    name: str
    columns: tuple[tuple[str, bool], ...] = ()

    @property
    def is_landed(self) -> bool:
        return not self.columns


def raw_partitions(connection: psycopg.Connection) -> list[Relation]:
    """The day partitions of landed rows, archived ones too, in order of day."""
    return [Relation(name) for (name,) in connection.execute(_RAW)]


def ledger_relations(connection: psycopg.Connection) -> list[Relation]:
    """Every other table with transaction ids, the events last."""
    found = [
        Relation(name, tuple((column, (name, column) in _OF_REPEATS) for column in columns))
        for name, columns in connection.execute(_COLUMNS)
    ]
    return sorted(found, key=lambda relation: (relation.name == EVENTS, relation.name))
