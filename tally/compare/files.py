"""A comparison as files: the page for people, CSV and JSON beside it."""

import csv
import json
from dataclasses import dataclass, fields
from pathlib import Path

import msgspec

from tally.compare.result import ComparedLine, Comparison
from tally.reports.page import environment
from tally.reports.tables import cell

LINES_ON_PAGE = 1000
_COLUMNS = tuple(field.name for field in fields(ComparedLine))


@dataclass(frozen=True)
class ComparisonFiles:
    """Where a comparison was written."""

    html: Path
    csv: Path
    json: Path


def write_comparison(comparison: Comparison, folder: Path) -> ComparisonFiles:
    """Write `<folder>/<file>.html`, `.csv` and `.json`; one of the same name is replaced whole."""
    folder.mkdir(parents=True, exist_ok=True)
    files = ComparisonFiles(*(folder / f"{comparison.file}.{kind}" for kind in ("html", "csv", "json")))
    for path, text in ((files.html, render_comparison(comparison)), (files.json, json_of(comparison))):
        partial = path.with_name(f"{path.name}.partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    partial = files.csv.with_name(f"{files.csv.name}.partial")
    with partial.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(_COLUMNS)
        writer.writerows([cell(getattr(line, column)) for column in _COLUMNS] for line in comparison.lines)
    partial.replace(files.csv)
    return files


def render_comparison(comparison: Comparison) -> str:
    """The page; it loads nothing from anywhere."""
    template = environment().get_template("compare.html.j2")
    return template.render(
        comparison=comparison,
        shown=comparison.lines[:LINES_ON_PAGE],
        verdicts=comparison.verdicts,
        stem=comparison.file,
    )


def json_of(comparison: Comparison) -> str:
    """One document, exact numbers as strings."""
    return json.dumps(msgspec.to_builtins({"agrees": comparison.agrees, **document_of(comparison)}), indent=1) + "\n"


def document_of(comparison: Comparison) -> dict[str, object]:
    """Everything but what is worked out from it, and the counts by verdict and cause."""
    found = {field.name: getattr(comparison, field.name) for field in fields(Comparison)}
    found["columns"] = {**comparison.columns.columns}
    found["values"] = {**comparison.columns.values}
    found["verdicts"] = dict(comparison.verdicts)
    found["causes"] = {code: len(lines) for code, lines in comparison.causes}
    return found
