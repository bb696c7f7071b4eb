"""Every line of a report for programs: CSV, JSON and Parquet, the same columns and exact numbers in each."""

import csv
import json
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext
from pathlib import Path
from typing import Any, TextIO, get_args

import msgspec

from tally.reconciliation.lines import COLUMNS, Line
from tally.reports.line_documents import LINE_TYPES, document_of
from tally.reports.report import Report

# A spreadsheet takes text that begins so for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
# Quantities have at most 12 decimals, here as everywhere; ratios are quotients that Postgres rounded to about 20.
_PLACES = {True: 20, False: 12}
_DIGITS = 38


def write_csv(lines: Sequence[Line], handle: TextIO) -> None:
    """Every line with exact numbers; an unknown one is an empty cell. Times are ISO 8601 in UTC."""
    writer = csv.writer(handle)
    writer.writerow(COLUMNS)
    for line in lines:
        writer.writerow(cell(getattr(line, column)) for column in COLUMNS)


def write_json(report: Report, handle: TextIO) -> None:
    """One document: the report's head, its summary, every line, and what changed; exact numbers are strings."""
    summary = {
        field.name: getattr(report.summary, field.name)
        for field in fields(report.summary)
        if field.name not in ("findings", "notices")
    }
    document = {
        "tenant_id": report.tenant_id,
        "tenant_name": report.tenant_name,
        "run_id": report.run_id,
        "generated_at": report.generated_at,
        "starting_from": report.starting_from,
        "starting_before": report.starting_before,
        "epsilon": report.epsilon,
        "summary": {"lines": report.summary.lines, **summary},
        "since_run": report.previous.run_id if report.previous else None,
        "changes": changes_document(report),
        "lines": [document_of(line) for line in report.lines],
    }
    json.dump(msgspec.to_builtins(document), handle, indent=1)
    handle.write("\n")


def changes_document(report: Report) -> list[dict[str, Any]] | None:
    """What each changed line was and is, in the columns that differ; None where there was no run before."""
    if report.changes is None:
        return None
    keys = ("customer_ref", "metric", "period_start", "account", "livemode")
    return [
        {
            **{name: getattr(each.line, name) for name in keys},
            "before": each.before and {name: getattr(each.before, name) for name in each.columns},
            "after": each.after and {name: getattr(each.after, name) for name in each.columns},
        }
        for each in report.changes.lines
    ]


def write_parquet(lines: Sequence[Line], path: Path) -> None:
    """A table of COLUMNS: numbers as decimal(38, 12), ratios as decimal(38, 20), times as timestamps in UTC.

    A number column of which a value does not fit is text in that file: nothing is rounded but ratios.
    """
    # 0.7 s that only a process which writes reports should pay.
    import polars as pl

    def series(name: str) -> pl.Series:
        values = [getattr(line, name) for line in lines]
        kinds = {*get_args(LINE_TYPES[name]), LINE_TYPES[name]}
        if Decimal in kinds:
            rounds = name.endswith("_ratio")
            fitted = [None if value is None else _fitted(value, rounds) for value in values]
            if fitted.count(None) == values.count(None):
                return pl.Series(name, fitted, dtype=pl.Decimal(_DIGITS, _PLACES[rounds]))
            return pl.Series(name, [None if value is None else f"{value:f}" for value in values], dtype=pl.String)
        if datetime in kinds:
            return pl.Series(name, values, dtype=pl.Datetime("us", "UTC"))
        if bool in kinds or int in kinds:
            return pl.Series(name, values, dtype=pl.Boolean if bool in kinds else pl.Int64)
        return pl.Series(name, [None if value is None else _text(value) for value in values], dtype=pl.String)

    pl.DataFrame([series(name) for name in COLUMNS]).write_parquet(path, compression="zstd")


def _fitted(value: Decimal, rounds: bool) -> Decimal | None:
    places = _PLACES[rounds]
    with localcontext(prec=100):
        fitted = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    return fitted if fitted.adjusted() + places < _DIGITS and (rounds or fitted == value) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(msgspec.to_builtins(value))


def cell(value: Any) -> str:
    """A value as a CSV cell, which no spreadsheet takes for a formula."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    text = _text(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA_STARTS) else text
