"""Where a customer stands in the database by name, and the statement that takes the name out: one place a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import psycopg

from tally.erasure.person import Person
from tally.erasure.tables import Table

Kind = Literal["rows", "text"]

# What people and programs write in words. Every jsonb column of these schemas is one of them, too.
_WORDS = frozenset({
    "note", "reason", "cause", "message", "error", "last_error", "outcome", "detail", "details", "fault", "problem",
    "decision_note", "release_reason", "pause_reason", "stopped_because", "said", "sentence", "sentences", "subject",
    "title", "body", "description", "summary", "text", "scope",
})  # fmt: skip
# These have rules of their own: tally/erasure/kept_proofs.py and kept_reports.py.
_OWN_RULES = frozenset({"tally.invoice_line_proofs", "tally.report_lines", "tally.report_runs"})
# What is declared or mirrored as it is names meters and prices, no customers.
_DECLARED = frozenset(
    {"tally.tenants", "tally.meters", "tally.stripe_prices", "tally.price_mappings", "tally.erasures"}
)
_METER = "(select meter from tally.meters as meter where meter.tenant_id = r.tenant_id and meter.metric = r.metric)"
_OF_REPLAYS = "r.replay_id in (select replay_id from tally.replays where tenant_id = %(tenant_id)s)"
# Tables without a tenant of their own: whose rows they are.
_THROUGH = {
    "tally.push_attempts": "r.intent_id in (select intent_id from tally.push_intents where tenant_id = %(tenant_id)s)",
    "tally.closing_attempts": "r.rest_id in (select rest_id from tally.closing_rests where tenant_id = %(tenant_id)s)",
}


@dataclass(frozen=True)
class Place:
    """Rows `r` of a table for which `where` holds are erased by `assign`: both SQL, with the parameters of a Person."""

    relation: str
    kind: Kind
    columns: tuple[str, ...]
    where: str
    assign: str

    def count(self, connection: psycopg.Connection[Any], person: Person) -> int:
        """How many rows it would change."""
        query = f"select count(*) from {self.relation} as r where {self.where}"
        [(rows,)] = connection.execute(query.encode(), person.parameters()).fetchall()
        return int(rows)

    def erase(self, connection: psycopg.Connection[Any], person: Person) -> int:
        """Change them, in the caller's transaction; returns how many."""
        query = f"update {self.relation} as r set {self.assign} where {self.where}"
        return connection.execute(query.encode(), person.parameters()).rowcount


def places(found: Sequence[Table], person: Person) -> list[Place]:
    """All of them, rows before texts."""
    erasable = [table for table in found if table.relation not in _OWN_RULES]
    rows = [place for table in erasable for place in _rows(table)]
    return rows + [place for table in erasable for place in _texts(table, person)]


def _rows(table: Table) -> Iterator[Place]:
    owner = _owner(table)
    if not table.ref_columns or owner is None:
        return
    named = ", ".join(f"r.{column}" for column in table.ref_columns)
    assigned = {
        column: f"case when r.{column} = %(customer_ref)s then %(pseudonym)s else r.{column} end"
        for column in table.ref_columns
    }
    if table.holds_events:
        assigned |= {name: f"case when r.customer_ref = %(customer_ref)s then {value} else r.{name} end"
                     for name, value in _of_event(table).items()}  # fmt: skip
    if table.relation == "tally.customers":
        assigned["name"] = "''"
    yield Place(
        table.relation,
        "rows",
        tuple(assigned),
        f"{owner} and %(customer_ref)s in ({named})",
        ", ".join(f"{name} = {value}" for name, value in assigned.items()),
    )


def _of_event(table: Table) -> dict[str, str]:
    """What stays of an event's properties, as the landed row, the ledger and what is made of it hold them."""
    stays = {}
    if "properties" in table.columns:
        stays["properties"] = f"tally.erased_properties(r.properties, {_METER}, %(secret)s)"
    if table.is_landed:
        payload = "r.customer_ref, r.metric, r.quantity, r.event_time, r.properties"
        stays["payload_hash"] = f"coalesce(r.payload_hash, tally.payload_hash({payload}))"
    if "member" in table.columns:
        stays["member"] = f"tally.erased_value(({_METER}).property, r.member, {_METER}, %(secret)s)"
    if "dimensions" in table.columns:
        stays["dimensions"] = f"tally.erased_dimensions(r.dimensions, {_METER}, %(secret)s)"
    if table.relation == "ledger.int_usage_value_counts":
        member = f"tally.erased_value(({_METER}).property, r.value, {_METER}, %(secret)s)"
        stays["value"] = f"case when ({_METER}).aggregation = 'unique' then {member} else r.value end"
    return stays


def _texts(table: Table, person: Person) -> Iterator[Place]:
    owner = "true" if table.schema == "dagster" else _owner(table, anybody=True) if table.schema == "tally" else None
    words = _word_columns(table)
    if owner is None or not words:
        return
    if not person.is_found_in_text:
        if not table.ref_columns or table.schema == "dagster":
            return
        owner += f" and r.{table.ref_columns[0]} in (%(customer_ref)s, %(pseudonym)s)"
    yield Place(
        table.relation,
        "text",
        tuple(words),
        f"{owner} and ({' or '.join(f'r.{name}::text ~ %(pattern)s' for name in words)})",
        ", ".join(f"{name} = {_without_name(name, kind)}" for name, kind in words.items()),
    )


def _word_columns(table: Table) -> dict[str, str]:
    if table.relation in _DECLARED:
        return {}
    is_text = {"text", "character varying", "json", "jsonb", "text[]"}
    return {
        name: kind
        for name, kind in table.columns.items()
        if kind in is_text
        and (name not in table.key or name in _WORDS)
        and (table.schema == "dagster" or name in _WORDS or kind in ("json", "jsonb"))
    }


def _without_name(name: str, kind: str) -> str:
    if kind == "text[]":
        each = "array_agg(tally.erased_text(word, %(pattern)s, %(pseudonym)s) order by place)"
        return f"(select coalesce({each}, '{{}}') from unnest(r.{name}) with ordinality as said (word, place))"
    return f"tally.erased_text(r.{name}::text, %(pattern)s, %(pseudonym)s)::{kind}"


def _owner(table: Table, *, anybody: bool = False) -> str | None:
    """Which rows are the tenant's; None where the table does not say, or `true` for those that are everybody's."""
    if "tenant_id" in table.columns:
        return "r.tenant_id = %(tenant_id)s"
    if "replay_id" in table.columns:
        return _OF_REPLAYS
    return _THROUGH.get(table.relation, "true" if anybody else None)
