"""A month's reconciliation: the lines where the four totals stand side by side, and the report made from them."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import chain

import dagster as dg
import psycopg
from dagster_dbt import dbt_assets

from dagster_project.defs import pools, stages
from dagster_project.defs.ledger.dbt import manifest, translator
from dagster_project.defs.partitions import months
from dagster_project.defs.resources import TallyResource
from dagster_project.lib.tables import markdown_table
from tally.months import bounds
from tally.page_addresses import address_of, pages_url, reports_folder
from tally.reconciliation import Summary, read_lines, summarize
from tally.reconciliation.check import Scope, conclude
from tally.reports import Report, ReportFiles, make_report, write_report
from tally.settings import Settings, load_settings

RECONCILIATION_TOTALS = dg.AssetKey(["marts", "reconciliation_totals"])
RECONCILIATION_LINES = dg.AssetKey(["marts", "reconciliation_lines"])
REPORT = dg.AssetKey(["reports", "reconciliation_report"])

_TOTALS_COLUMNS = (
    "metric", "delivered", "duplicates", "late", "local", "sent", "Stripe", "invoice", "drift",
)  # fmt: skip


def _reports(settings: Settings) -> dict[str, dg.MetadataValue]:
    return {"all reports": dg.MetadataValue.url(pages_url(settings))}


@dbt_assets(
    name="reconciliation_lines",
    manifest=manifest,
    select="reconciliation_totals reconciliation_lines",
    dagster_dbt_translator=translator,
    pool=pools.RECONCILIATION,
    partitions_def=months,
    backfill_policy=dg.BackfillPolicy.multi_run(1),
)
def reconciliation_lines(
    context: dg.AssetExecutionContext, tally: TallyResource
) -> Iterator[dg.MaterializeResult[None]]:
    """The views are always current; a run prices and judges the lines of one month and keeps what it saw."""
    month = bounds(context.partition_key)
    with tally.connect() as connection:
        for tenant_id in _tenants(connection):
            conclude(connection, tenant_id, tally.clock(connection), Scope(month))
        tenants = [read_lines(connection, tenant_id, starting_in=month) for tenant_id in _tenants(connection)]
    lines = list(chain.from_iterable(tenants))
    yield dg.MaterializeResult(asset_key=RECONCILIATION_TOTALS, metadata={"lines": dg.MetadataValue.int(len(lines))})
    yield dg.MaterializeResult(
        asset_key=RECONCILIATION_LINES, metadata=_seen(summarize(lines)) | _reports(tally.settings)
    )


@dg.asset(
    key=REPORT,
    deps=[RECONCILIATION_LINES],
    partitions_def=months,
    backfill_policy=dg.BackfillPolicy.multi_run(1),
    group_name=stages.RECONCILIATION,
    pool=pools.RECONCILIATION,
    owners=["team:billing"],
    kinds={"csv", "json", "parquet"},
    metadata=_reports(load_settings()),
    description=(
        "One page per tenant and month, with CSV, JSON and Parquet beside it, under TALLY_HOME/reports: every line "
        "with its numbers, verdict and likely cause, whether or not the month agrees. Its check says whether it does. "
        "Each is kept as a run: `tally reports`."
    ),
)
def report(context: dg.AssetExecutionContext, tally: TallyResource) -> dg.MaterializeResult[None]:
    """Write the month's report for every tenant that has lines in it."""
    month, folder = bounds(context.partition_key), reports_folder(tally.settings)
    written = []
    with tally.connect() as connection:
        for tenant_id in _tenants(connection):
            built = make_report(connection, tenant_id, tally.clock(connection), month)
            if built.lines:
                written.append((built, write_report(built, folder)))
    return dg.MaterializeResult(metadata=_written(written, tally.settings))


def _tenants(connection: psycopg.Connection) -> list[str]:
    return [row[0] for row in connection.execute("select tenant_id from tally.tenants order by tenant_id")]


def _seen(summary: Summary) -> dict[str, dg.MetadataValue]:
    rows = [
        (
            metric.metric, metric.deliveries, metric.duplicates, metric.late_events,
            metric.local_quantity, metric.sent_quantity, metric.stripe_quantity, metric.invoice_quantity,
            None if metric.worst_drift_ratio is None else f"{metric.worst_drift_ratio:.4%}",
        )
        for metric in summary.metrics
    ]  # fmt: skip
    drifts = [metric.worst_drift_ratio for metric in summary.metrics if metric.worst_drift_ratio is not None]
    return {
        "verdict": dg.MetadataValue.text(summary.verdict),
        "lines": dg.MetadataValue.int(summary.lines),
        "ok": dg.MetadataValue.int(summary.ok),
        "breaks": dg.MetadataValue.int(summary.breaks),
        "missing": dg.MetadataValue.int(summary.missing),
        "unmapped": dg.MetadataValue.int(summary.unmapped),
        "worst drift, %": dg.MetadataValue.float(float(100 * max(drifts, default=Decimal(0)))),
        "notices": dg.MetadataValue.int(sum(len(notice.lines) for notice in summary.notices)),
        "deliveries": dg.MetadataValue.int(sum(metric.deliveries for metric in summary.metrics)),
        "duplicates": dg.MetadataValue.int(sum(metric.duplicates for metric in summary.metrics)),
        "late events": dg.MetadataValue.int(sum(metric.late_events for metric in summary.metrics)),
        "totals by metric": dg.MetadataValue.md(markdown_table(_TOTALS_COLUMNS, rows)),
    }


def _written(reports: list[tuple[Report, ReportFiles]], settings: Settings) -> dict[str, dg.MetadataValue]:
    rows: list[tuple[object, ...]] = []
    files_of: dict[str, dg.MetadataValue] = {}
    for report, files in reports:
        page = address_of(settings, files.html)
        rows.append(
            (report.tenant_name, report.summary.verdict, report.summary.lines, report.run_id, f"[open]({page})")
        )
        files_of |= {
            f"report of {report.tenant_id}": dg.MetadataValue.url(page),
            f"file of {report.tenant_id}": dg.MetadataValue.path(files.html),
        }
    facts: dict[str, dg.MetadataValue] = {
        "reports": dg.MetadataValue.int(len(reports)),
        "breaking lines": dg.MetadataValue.int(sum(report.summary.breaks for report, _ in reports)),
        "by tenant": dg.MetadataValue.md(markdown_table(["tenant", "verdict", "lines", "run", "report"], rows)),
    }
    return facts | files_of
