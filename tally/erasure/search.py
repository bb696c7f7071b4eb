"""Looking for a name in every column of every table that can hold one: what no rule foresaw is found and said."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from tally.erasure.person import Person
from tally.erasure.tables import Table

_READABLE = ("text", "character varying", "character", "name", "json", "jsonb", "text[]", "xml")


@dataclass(frozen=True)
class Mention:
    """A column that holds the name in so many rows, and why that is left as it is."""

    relation: str
    column: str
    rows: int
    why: str


def mentions(connection: psycopg.Connection[Any], found: Sequence[Table], person: Person) -> list[Mention]:
    """Every column with the name in it: anywhere in its text, or as a whole word where the name is a short one.

    One pass over every table, so its time follows the size of the database.
    """
    return [mention for table in found for mention in _in_table(connection, table, person)]


def _in_table(connection: psycopg.Connection[Any], table: Table, person: Person) -> Iterator[Mention]:
    columns = [name for name, kind in table.columns.items() if kind in _READABLE or kind == "bytea"]
    if not columns:
        return
    counted = ", ".join(f"count(*) filter (where {_holds(name, table, person)})" for name in columns)
    # Another tenant's customer of the same name is somebody else.
    ours = " where r.tenant_id = %(tenant_id)s" if "tenant_id" in table.columns else ""
    query = f"select {counted} from {table.relation} as r{ours}"
    asked = person.parameters(spellings=person.spellings)
    [rows] = connection.execute(query.encode(), asked).fetchall()
    for name, held in zip(columns, rows, strict=True):
        if held:
            yield Mention(table.relation, name, held, _why(name))


def _holds(name: str, table: Table, person: Person) -> str:
    if table.columns[name] == "bytea":
        return f"position(convert_to(%(customer_ref)s, 'UTF8') in r.{name}) > 0"
    if not person.is_found_in_text:
        return f"r.{name}::text = %(customer_ref)s"
    return " or ".join(
        f"strpos(r.{name}::text, (%(spellings)s::text[])[{place + 1}]) > 0" for place in range(len(person.spellings))
    )


def _why(column: str) -> str:
    if "idempotency_key" in column or column == "replacement_key":
        return "a key is what keeps an event from counting twice, and part of every proof: it stays"
    if column == "stripe_customer_id":
        return "Stripe's own id, by which what was sent is proven: it stays, and names nobody once Stripe forgets it"
    return "no rule covers it: look at it"
