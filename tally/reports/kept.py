"""Reading a kept run back: the report as it was made, from what was kept and nothing else."""

from decimal import Decimal
from typing import Any

import psycopg

from tally.errors import TallyError
from tally.reconciliation.summary import summarize
from tally.reports.changes import LineKey
from tally.reports.line_documents import hash_of, line_of
from tally.reports.past import PastRun, run_meant
from tally.reports.report import Report, by_name

Documents = dict[LineKey, tuple[dict[str, Any], str]]

_AS_OF = """
select customer_ref, metric, period_start, account, livemode, line, customer_name
from (
    select distinct on (customer_ref, metric, period_start, account, livemode) *
    from tally.report_lines
    where tenant_id = %(tenant_id)s and starting_from = %(first)s and starting_before = %(second)s
        and run_id between %(first_run)s and %(last_run)s
    order by customer_ref, metric, period_start, account, livemode, run_id desc
) as newest
where line is not null
"""


class ReportNotKept(TallyError):
    """The lines of a run are gone, or are not what they were."""


def documents_as_of(connection: psycopg.Connection[Any], tenant_id: str, run: PastRun) -> Documents:
    """Every line as of a run, by what it is about, with its customer's name then."""
    first_run, last_run = run.chain
    asked = {"tenant_id": tenant_id, "first": run.starting_from, "second": run.starting_before,
             "first_run": first_run, "last_run": last_run}  # fmt: skip
    return {tuple(key): (line, name) for *key, line, name in connection.execute(_AS_OF, asked)}


def read_kept(connection: psycopg.Connection[Any], tenant_id: str, run_id: int | None) -> Report:
    """The run's report without what came before it; None: the newest run's.

    Raises:
        ReportNotKept: its lines were pruned, or give another hash than when they were kept.
        TallyError: the tenant has no such run.
    """
    run = run_meant(connection, tenant_id, run_id)
    if not run.lines_kept:
        raise ReportNotKept(f"the lines of report run {run.run_id} were pruned; its verdict and drift remain")
    name, epsilon, lines_hash = _header(connection, tenant_id, run.run_id)
    documents = documents_as_of(connection, tenant_id, run).values()
    if hash_of(documents) != lines_hash:
        raise ReportNotKept(
            f"report run {run.run_id} was altered: tally.report_lines no longer has the hash that it was kept by"
        )
    lines = sorted((line_of(document) for document, _ in documents), key=by_name)
    return Report(
        tenant_id=tenant_id,
        tenant_name=name,
        epsilon=epsilon,
        generated_at=run.made_at,
        starting_from=run.starting_from,
        starting_before=run.starting_before,
        lines=lines,
        customer_names={document["customer_ref"]: name for document, name in documents if name},
        summary=summarize(lines),
        run_id=run.run_id,
    )


def _header(connection: psycopg.Connection[Any], tenant_id: str, run_id: int) -> tuple[str, Decimal, str]:
    row = connection.execute(
        "select tenant_name, epsilon, lines_hash from tally.report_runs where tenant_id = %s and run_id = %s",
        (tenant_id, run_id),
    ).fetchone()
    assert row is not None
    return row[0], row[1], row[2]
