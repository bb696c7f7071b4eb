"""What an erasure would do, before it does anything; and the hash by which exactly this is agreed to."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from tally.erasure.errors import ErasureRefused
from tally.erasure.kept_proofs import RELATION as PROOFS
from tally.erasure.kept_proofs import count_proofs
from tally.erasure.kept_reports import RELATION as REPORTS
from tally.erasure.kept_reports import count_report_lines
from tally.erasure.outside import Outside, outside
from tally.erasure.person import PREFIX, Person
from tally.erasure.places import Kind, places
from tally.erasure.search import Mention, mentions
from tally.erasure.standing import Standing, standing
from tally.erasure.tables import tables

# Until dbt has replaced the view, an erased row's hash would be worked out of what is left of it.
_READS_KEPT_HASHES = """
select coalesce(pg_get_viewdef(to_regclass('staging.stg_usage_events')) ~* 'coalesce\\(\\w*\\.?payload_hash', false)
"""


@dataclass(frozen=True)
class Erasable:
    """Rows of a table that name the customer, and the columns that change."""

    relation: str
    kind: Kind
    rows: int
    columns: list[str]


@dataclass(frozen=True)
class Shown:
    """`mentions` stay as they are, with the reason. Without `rows` there is nothing of the customer's here."""

    tenant_id: str
    customer_ref: str
    rows: list[Erasable]
    mentions: list[Mention]
    standing: Standing
    outside: Outside

    @property
    def hash(self) -> str:
        """SHA-256 over what is shown."""
        shown = json.dumps(asdict(self), sort_keys=True, default=str)
        return hashlib.sha256(shown.encode()).hexdigest()


def show(connection: psycopg.Connection[Any], person: Person, now: datetime, home: Path) -> Shown:
    """Count, in one pass over every table; nothing is changed. `connection` is in autocommit.

    Raises:
        ErasureRefused: it is a pseudonym, or the ledger does not read kept hashes yet.
        RetentionRefused: the ledger was never built, or is another cluster's.
    """
    if person.customer_ref.startswith(PREFIX):
        raise ErasureRefused(f"customer {person.customer_ref}: that is the pseudonym of somebody who was erased")
    waits = standing(connection, person.tenant_id, person.customer_ref, now)
    require_kept_hashes(connection)
    found = tables(connection)
    rows = [
        Erasable(place.relation, place.kind, count, list(place.columns))
        for place in places(found, person)
        if (count := place.count(connection, person))
    ]
    if proofs := count_proofs(connection, person):
        rows.append(Erasable(PROOFS, "rows", proofs, ["customer_ref", "differences", "erased_fingerprint"]))
    if lines := count_report_lines(connection, person):
        rows.append(Erasable(REPORTS, "rows", lines, ["customer_ref", "customer_name", "line"]))
    covered = {(each.relation, column) for each in rows for column in each.columns}
    stay = [each for each in mentions(connection, found, person) if (each.relation, each.column) not in covered]
    return Shown(person.tenant_id, person.customer_ref, rows, stay, waits, outside(connection, person, home))


def require_kept_hashes(connection: psycopg.Connection[Any]) -> None:
    """The staging view must take an erased row's hash as it was kept.

    Raises:
        ErasureRefused: the view is older than this version.
    """
    if connection.execute(_READS_KEPT_HASHES).fetchone() != (True,):
        raise ErasureRefused("staging.stg_usage_events is of an older version: `tally tick` brings it up to date")
