"""Proofs as they were recorded: append-only rows of tally.invoice_line_proofs, each with its own fingerprint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from tally.proof.asked import asked_about, rendered
from tally.proof.billed_line import BilledLine
from tally.proof.facts import Facts, fingerprint
from tally.stripe.invoices import FINAL

# Two at once: the second finds its number taken, and its line proven a moment ago.
_INSERT = """
insert into tally.invoice_line_proofs (
    tenant_id, account, livemode, customer_ref, metric, period_start, number, recorded_at, recorded_by, invoice_id,
    invoice_status, counter_read_to, counter_cluster, facts, differences, fingerprint
) values (
    %(tenant_id)s, %(account)s, %(livemode)s, %(customer_ref)s, %(metric)s, %(period_start)s, %(number)s,
    %(recorded_at)s, %(recorded_by)s, %(invoice_id)s, %(invoice_status)s, %(counter_read_to)s, %(counter_cluster)s,
    %(facts)s, %(differences)s, %(fingerprint)s
)
on conflict do nothing
"""


@dataclass(frozen=True)
class RecordedProof:
    """A row. `differences` is what did not agree then; `is_unchanged`: whether the row still has its fingerprint, or of
    an erased customer the one that it was given then."""

    number: int
    recorded_at: datetime
    recorded_by: str
    invoice_id: str | None
    invoice_status: str | None
    counter_read_to: str
    counter_cluster: str
    facts: Facts
    differences: list[str]
    fingerprint: str
    is_unchanged: bool

    @property
    def holds(self) -> bool:
        """Whether it proves something: nothing differed, and the invoice was final."""
        return not self.differences and self.invoice_status in FINAL


def recorded_proofs(connection: psycopg.Connection[Any], lines: Sequence[BilledLine]) -> list[list[RecordedProof]]:
    """The proofs of each line, oldest first."""
    found: list[list[RecordedProof]] = [[] for _ in lines]
    with connection.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(rendered("recorded.sql"), asked_about(lines)):
            position = row.pop("position")
            line = lines[position]
            if (row.pop("account"), row.pop("livemode")) == (line.account, line.livemode):
                row["recorded_at"] = row["recorded_at"].astimezone(UTC)
                said, since_erased = row.pop("fingerprint"), row.pop("erased_fingerprint")
                is_unchanged = fingerprint({**_key(line), **row}) == (since_erased or said)
                found[position].append(RecordedProof(**row, fingerprint=said, is_unchanged=is_unchanged))
    return found


def insert_proof(connection: psycopg.Connection[Any], line: BilledLine, row: Mapping[str, Any]) -> bool:
    """Write a proof of the line; `row` has the columns behind the key, without the fingerprint. False: its number was
    taken by another one meanwhile."""
    kept = {**_key(line), **row}
    done = connection.execute(
        _INSERT, {**kept, "fingerprint": fingerprint(kept), "facts": Jsonb(kept["facts"])}
    )  # fmt: skip
    return done.rowcount == 1


def _key(line: BilledLine) -> dict[str, Any]:
    return {
        "tenant_id": line.tenant_id,
        "account": line.account,
        "livemode": line.livemode,
        "customer_ref": line.customer_ref,
        "metric": line.metric,
        "period_start": line.period_start.astimezone(UTC),
    }
