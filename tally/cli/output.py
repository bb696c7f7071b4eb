"""How commands print: a Rich table for a person, one JSON document for a program."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, is_dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

console = Console(highlight=False)
progress = Console(stderr=True, highlight=False)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
TenantOption = Annotated[str | None, typer.Option("--tenant", help="The tenant; may be left out when there is one.")]


def print_json(document: Any) -> None:
    """One JSON document on standard output; exact numbers and times are strings."""
    typer.echo(json.dumps(document, default=_jsonable, indent=2))


def print_json_line(document: Any) -> None:
    """The same on one line: for documents that come one after another."""
    typer.echo(json.dumps(document, default=_jsonable))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table whose number columns are right-aligned; None prints as an em dash, which is not zero."""
    listed = [list(row) for row in rows]
    table = Table(title=title, title_justify="left", title_style="bold")
    for position, column in enumerate(columns):
        numeric = any(isinstance(row[position], int | Decimal) for row in listed)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in listed:
        table.add_row(*(_cell(value) for value in row))
    console.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "—"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%SZ")
    if isinstance(value, Decimal):
        return f"{value.normalize():,f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _jsonable(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal | Path | timedelta):
        return str(value)
    raise TypeError(f"not JSON: {type(value).__name__}")
