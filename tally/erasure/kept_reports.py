"""Kept reports: the pseudonym goes into their lines, and each run gets the hash of its lines as they are since."""

from datetime import datetime
from typing import Any

import psycopg

from tally.erasure.person import Person
from tally.reports.kept import documents_as_of
from tally.reports.line_documents import hash_of
from tally.reports.past import runs_before

RELATION = "tally.report_lines"

# Other customers' lines name this one only in words, such as a cause.
_MEANT = """
tenant_id = %(tenant_id)s
and (customer_ref = %(customer_ref)s or (%(in_text)s and line::text ~ %(pattern)s))
"""
_ERASE = f"""
update tally.report_lines
set
    customer_name = case when customer_ref = %(customer_ref)s then '' else customer_name end,
    customer_ref = case when customer_ref = %(customer_ref)s then %(pseudonym)s else customer_ref end,
    line = tally.erased_text(line::text, %(pattern)s, %(pseudonym)s)::jsonb
where {_MEANT}
    and starting_from = %(first)s and starting_before = %(second)s
"""
_SET_HASH = "update tally.report_runs set lines_hash = %s where tenant_id = %s and run_id = %s"


def count_report_lines(connection: psycopg.Connection[Any], person: Person) -> int:
    """How many rows name the customer."""
    query = f"select count(*) from tally.report_lines where {_MEANT}"
    [(rows,)] = connection.execute(query.encode(), _parameters(person)).fetchall()
    return int(rows)


def erase_in_reports(connection: psycopg.Connection[Any], person: Person) -> int:
    """In the caller's transaction. A run whose lines had lost their hash before keeps the one that says so.

    Returns how many rows changed.
    """
    query = f"select distinct starting_from, starting_before from tally.report_lines where {_MEANT}"
    spans = connection.execute(query.encode(), _parameters(person)).fetchall()
    return sum(_erase_in_span(connection, person, span) for span in spans)


def _erase_in_span(connection: psycopg.Connection[Any], person: Person, span: tuple[datetime, datetime]) -> int:
    tenant_id = person.tenant_id
    runs = [run for run in runs_before(connection, tenant_id, span, None) if run.lines_kept]
    kept: dict[int, str] = dict(
        connection.execute("select run_id, lines_hash from tally.report_runs where tenant_id = %s", (tenant_id,))
    )
    whole = [run for run in runs if hash_of(documents_as_of(connection, tenant_id, run).values()) == kept[run.run_id]]
    asked = _parameters(person) | {"first": span[0], "second": span[1]}
    rows = connection.execute(_ERASE.encode(), asked).rowcount
    for run in whole:
        again = hash_of(documents_as_of(connection, tenant_id, run).values())
        if again != kept[run.run_id]:
            connection.execute(_SET_HASH, (again, tenant_id, run.run_id))
    return rows


def _parameters(person: Person) -> dict[str, Any]:
    return person.parameters(in_text=person.is_found_in_text)
