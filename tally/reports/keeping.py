"""Making a report and keeping it: a row for the run, and a row for each line that differs from the run before."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from tally.clock import Clock
from tally.reconciliation.lines import COLUMNS
from tally.reports.changes import changes_between, key_of
from tally.reports.kept import Documents, documents_as_of
from tally.reports.line_documents import document_of, hash_of, line_of
from tally.reports.past import PastRun, earlier_spans, runs_before
from tally.reports.report import Report, build_report

_SPAN = ("starting_from", "starting_before")
_LOCK = 7_465_117
# Every so many runs on a span one holds all of its lines: what is read for a run never grows with its history.
LONGEST_CHAIN = 24
_INSERT_RUN = """
insert into tally.report_runs (
    tenant_id, starting_from, starting_before, made_at, tenant_name, epsilon, verdict, ok, breaks, missing, unmapped,
    amounts, worst_drift, line_columns, lines_hash, base_run
) values (
    %(tenant_id)s, %(starting_from)s, %(starting_before)s, %(made_at)s, %(tenant_name)s, %(epsilon)s, %(verdict)s,
    %(ok)s, %(breaks)s, %(missing)s, %(unmapped)s, %(amounts)s, %(worst_drift)s, %(line_columns)s, %(lines_hash)s,
    %(base_run)s
)
returning run_id
"""
_COPY_LINES = """
copy tally.report_lines (
    tenant_id, run_id, starting_from, starting_before, customer_ref, metric, period_start, account, livemode,
    customer_name, line
) from stdin
"""


def make_report(
    connection: psycopg.Connection[Any], tenant_id: str, clock: Clock, starting_in: tuple[datetime, datetime]
) -> Report:
    """The lines as they are known now, kept as a run, beside the run before. `connection` is in autocommit.

    A tenant without lines in these periods, now and before, gives an empty report that is not kept.

    Raises:
        LookupError: there is no such tenant.
    """
    with connection.transaction():
        # One at a time and tenant: what a run holds is read after the run before it was committed, and ids rise so.
        connection.execute("select pg_advisory_xact_lock(%s, hashtext(%s))", (_LOCK, tenant_id))
        report = beside_the_past(connection, build_report(connection, tenant_id, clock, starting_in))
        if not report.lines and report.previous is None:
            return report
        return replace(report, run_id=_keep(connection, report))


def beside_the_past(connection: psycopg.Connection[Any], report: Report, previous: PastRun | None = None) -> Report:
    """The report with the runs before it, and what differs from `previous`; by default the last of them.

    Pruning leaves the lines that the run before a kept one had, so they are there whenever the report's are.
    """
    span = (report.starting_from, report.starting_before)
    runs = runs_before(connection, report.tenant_id, span, report.run_id)
    months = earlier_spans(connection, report.tenant_id, span, report.run_id)
    previous = previous or (runs[-1] if runs else None)
    changes = None
    if previous is not None:
        before = documents_as_of(connection, report.tenant_id, previous).values()
        changes = changes_between([line_of(document) for document, _ in before], report.lines)
    return replace(report, runs=runs, months=months, previous=previous, changes=changes)


def _keep(connection: psycopg.Connection[Any], report: Report) -> int:
    span = (report.starting_from, report.starting_before)
    found: Documents = {
        key_of(line): (document_of(line), report.customer_names.get(line.customer_ref, "")) for line in report.lines
    }
    base = _base_of_next(report.runs)
    before = documents_as_of(connection, report.tenant_id, report.runs[-1]) if base is not None else {}
    run = report.as_run
    row = {
        **{name: getattr(report, name) for name in ("tenant_id", "tenant_name", "epsilon", *_SPAN)},
        **{name: getattr(run, name) for name in ("made_at", "verdict", "ok", "breaks", "missing", "unmapped")},
        "amounts": Jsonb({currency: f"{amount:f}" for currency, amount in run.amounts.items()}),
        "worst_drift": Jsonb({metric: _text(ratio) for metric, ratio in run.worst_drift.items()}),
        "line_columns": list(COLUMNS),
        "lines_hash": hash_of(found.values()),
        "base_run": base,
    }
    inserted = connection.execute(_INSERT_RUN, row).fetchone()
    assert inserted is not None
    with connection.cursor().copy(_COPY_LINES) as copy:
        for key, document, name in _moved(before, found):
            copy.write_row((report.tenant_id, inserted[0], *span, *key, name, document))
    run_id: int = inserted[0]
    return run_id


def _base_of_next(runs: Sequence[PastRun]) -> int | None:
    """The run on which the next one stands; None when it shall hold all of its lines."""
    if not runs:
        return None
    base = runs[-1].chain[0]
    return base if sum(run.chain[0] == base for run in runs) < LONGEST_CHAIN else None


def _text(ratio: object) -> str | None:
    return None if ratio is None else f"{ratio:f}"


def _moved(before: Documents, found: Documents) -> Iterator[tuple[Any, Jsonb | None, str]]:
    for key, (document, name) in found.items():
        if before.get(key) != (document, name):
            yield key, Jsonb(document), name
    for key in before.keys() - found.keys():
        yield key, None, ""
