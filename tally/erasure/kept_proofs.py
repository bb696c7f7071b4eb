"""Kept proofs of an erased customer's invoice lines: the fingerprint that was written down stays beside a new one."""

from datetime import UTC
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tally.erasure.person import Person
from tally.proof.facts import fingerprint

RELATION = "tally.invoice_line_proofs"

_ROWS = """
select
    tenant_id, account, livemode, customer_ref, metric, period_start, number, recorded_at, recorded_by, invoice_id,
    invoice_status, counter_read_to, counter_cluster, facts, differences, fingerprint,
    array(
        -- What a landed row said is what was erased there.
        select tally.erased_text(
            regexp_replace(
                sentence, ': its (landed row says|payload measures|payload names) .*$', ': what it says is erased'
            ),
            %(pattern)s, %(pseudonym)s
        )
        from unnest(differences) with ordinality as said (sentence, place)
        order by place
    ) as erased_differences
from tally.invoice_line_proofs
where tenant_id = %(tenant_id)s and customer_ref = %(customer_ref)s
"""
_ERASE = """
update tally.invoice_line_proofs
set customer_ref = %(pseudonym)s, differences = %(differences)s, erased_fingerprint = %(erased_fingerprint)s
where tenant_id = %(tenant_id)s and account = %(account)s and livemode = %(livemode)s
    and customer_ref = %(customer_ref)s and metric = %(metric)s
    and period_start = %(period_start)s and number = %(number)s
"""


def count_proofs(connection: psycopg.Connection[Any], person: Person) -> int:
    """How many are kept of the customer's lines."""
    query = "select count(*) from tally.invoice_line_proofs where tenant_id = %s and customer_ref = %s"
    [(rows,)] = connection.execute(query, (person.tenant_id, person.customer_ref)).fetchall()
    return int(rows)


def erase_in_proofs(connection: psycopg.Connection[Any], person: Person) -> int:
    """Put the pseudonym in; a row that was edited before stays one that says so. Returns how many rows."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_ROWS, person.parameters()).fetchall()
    for row in rows:
        said, differences = row.pop("fingerprint"), row.pop("erased_differences")
        row |= {name: row[name].astimezone(UTC) for name in ("period_start", "recorded_at")}
        erased = {**row, "customer_ref": person.pseudonym, "differences": differences}
        new = fingerprint(erased) if fingerprint(row) == said else None
        key = {name: row[name] for name in ("account", "livemode", "metric", "period_start", "number")}
        changes = {"differences": differences, "erased_fingerprint": new}
        connection.execute(_ERASE, person.parameters(**key, **changes))
    return len(rows)
