"""Reports on a tenant's periods: made, kept as they were, compared, written as files, published."""

from tally.reports.changes import ChangedLine, Changes, changes_between
from tally.reports.files import ReportFiles, write_report
from tally.reports.keeping import beside_the_past, make_report
from tally.reports.kept import ReportNotKept, read_kept
from tally.reports.page import render_html
from tally.reports.past import PastRun, list_runs, run_meant
from tally.reports.pruning import Pruned, prune
from tally.reports.report import Report, build_report
from tally.reports.tables import changes_document, write_csv, write_json, write_parquet

__all__ = [
    "ChangedLine",
    "Changes",
    "PastRun",
    "Pruned",
    "Report",
    "ReportFiles",
    "ReportNotKept",
    "beside_the_past",
    "build_report",
    "changes_between",
    "changes_document",
    "list_runs",
    "make_report",
    "prune",
    "read_kept",
    "render_html",
    "run_meant",
    "write_csv",
    "write_json",
    "write_parquet",
    "write_report",
]
