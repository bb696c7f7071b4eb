"""Writing a report: the page for people, and CSV, JSON and Parquet beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tally.reports.page import render_html
from tally.reports.report import Report
from tally.reports.tables import write_csv, write_json, write_parquet


@dataclass(frozen=True)
class ReportFiles:
    """Where a report was written."""

    html: Path
    csv: Path
    json: Path
    parquet: Path


def write_report(report: Report, folder: Path) -> ReportFiles:
    """Write `<folder>/<tenant>/<first day>.html`, `.csv`, `.json`, `.parquet`; one of the same name is replaced whole.

    The same report gives the same bytes, whenever and wherever it is written.
    """
    place = folder / report.tenant_id
    place.mkdir(parents=True, exist_ok=True)
    stem = stem_of(report)
    files = ReportFiles(*(place / f"{stem}.{kind}" for kind in ("html", "csv", "json", "parquet")))
    _replace(files.html, lambda path: path.write_text(render_html(report), encoding="utf-8"))
    _replace(files.csv, lambda path: _write(path, lambda handle: write_csv(report.lines, handle)))
    _replace(files.json, lambda path: _write(path, lambda handle: write_json(report, handle)))
    _replace(files.parquet, lambda path: write_parquet(report.lines, path))
    return files


def stem_of(report: Report) -> str:
    """What the files of a report are called, before the dot: the first day of its span."""
    return f"{report.starting_from:%Y-%m-%d}"


def _write(path: Path, write: Callable[..., None]) -> None:
    with path.open("w", newline="", encoding="utf-8") as handle:
        write(handle)


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    partial = path.with_name(f"{path.name}.partial")
    write(partial)
    partial.replace(path)
