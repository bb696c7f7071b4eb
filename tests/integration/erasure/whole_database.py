"""The whole database, read without any rule of the product's: what holds a word, and what rows are whose."""

from typing import Any

import psycopg

_COLUMNS = """
select format('%I.%I', table_schema, table_name), column_name, data_type
from information_schema.columns
inner join information_schema.tables using (table_schema, table_name)
where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')
order by 1, ordinal_position
"""


def columns(connection: psycopg.Connection[Any]) -> dict[str, dict[str, str]]:
    """Every table, partitions too, with its columns and their types."""
    found: dict[str, dict[str, str]] = {}
    for relation, column, kind in connection.execute(_COLUMNS):
        found.setdefault(relation, {})[column] = kind
    return found


def holding(connection: psycopg.Connection[Any], word: str) -> set[tuple[str, str]]:
    """Tables and columns in which the word stands, as it is, in JSON's escapes, or as bytes."""
    escaped = word.encode("ascii", "backslashreplace").decode().replace("\\x", "\\u00")
    found = set()
    for relation, kinds in columns(connection).items():
        for column, kind in kinds.items():
            text = f"encode({column}, 'escape')" if kind == "bytea" else f'"{column}"::text'
            query = f"select exists (select from {relation} where strpos({text}, %s) > 0 or strpos({text}, %s) > 0)"
            if connection.execute(query.encode(), (word, escaped)).fetchone() == (True,):
                found.add((relation, column))
    return found


def rows_of(connection: psycopg.Connection[Any], customer: str) -> dict[str, list[str]]:
    """The customer's rows of every table that names customers, whole, as text."""
    return {
        relation: [
            row for (row,) in connection.execute(
                f"select t::text from {relation} as t where customer_ref = %s order by 1".encode(), (customer,)
            )
        ]
        for relation, kinds in columns(connection).items()
        if "customer_ref" in kinds
    }  # fmt: skip


def everything(connection: psycopg.Connection[Any]) -> dict[str, list[str]]:
    """Every row of every table, as text."""
    return {
        relation: [row for (row,) in connection.execute(f"select t::text from {relation} as t order by 1".encode())]
        for relation in columns(connection)
    }
