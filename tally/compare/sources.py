"""The rows of a CSV, JSONL or Parquet file as text: a number keeps the digits that the file has."""

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tally.compare.errors import CompareRefused

Row = dict[str, str | None]
_JSON_LINES = (".jsonl", ".ndjson")
_SEPARATORS = ",;\t|"


def read_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Each row with its place: the line of a text file, counted from 1 with the header; of Parquet the row from 1.

    Raises:
        CompareRefused: the file cannot be read as what its name says it is.
    """
    if path.suffix == ".parquet":
        return _parquet(path)
    return _json_lines(path) if path.suffix in _JSON_LINES else _csv(path)


def column_names(path: Path) -> list[str]:
    """The columns, in order; of JSONL those of the first object.

    Raises:
        CompareRefused: the file cannot be read, or has no row at all.
    """
    for _, row in read_rows(path):
        return list(row)
    raise CompareRefused(f"{path.name} has no row: there is nothing to compare")


def _csv(path: Path) -> Iterator[tuple[int, Row]]:
    with _opened(path) as handle:
        header = handle.readline()
        separator = max(_SEPARATORS, key=header.count)
        names = next(csv.reader([header], delimiter=separator), [])
        if len(set(names)) < len(names) or not all(name.strip() for name in names):
            raise CompareRefused(f"{path.name}, line 1: every column needs a name of its own, not {', '.join(names)}")
        reader = csv.reader(handle, delimiter=separator, strict=True)
        try:
            for values in reader:
                if values and len(values) != len(names):
                    raise CompareRefused(
                        f"line {reader.line_num + 1}: {len(values)} fields where the header has {len(names)}"
                    )
                if values:
                    yield (
                        reader.line_num + 1,
                        dict(zip(names, (value.strip() or None for value in values), strict=True)),
                    )
        except csv.Error as error:
            raise CompareRefused(f"line {reader.line_num + 1}: {error}") from None


def _json_lines(path: Path) -> Iterator[tuple[int, Row]]:
    with _opened(path) as handle:
        for number, line in enumerate(handle, 1):
            if not line.strip():
                continue
            try:
                found = json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
            except (ValueError, RecursionError):
                raise CompareRefused(f"line {number}: is not JSON") from None
            if not isinstance(found, dict):
                raise CompareRefused(f"line {number}: is no JSON object")
            yield number, dict(_flat(found))


def _flat(found: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str | None]]:
    """Members of members are called `outer.inner`; lists are left aside."""
    for name, value in found.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif not isinstance(value, list):
            yield f"{prefix}{name}", None if value is None else str(value)


def _parquet(path: Path) -> Iterator[tuple[int, Row]]:
    # 0.7 s that only who reads Parquet should pay.
    import polars as pl

    try:
        frame = pl.scan_parquet(path)
        schema = frame.collect_schema()
        texts = [
            pl.col(name).dt.convert_time_zone("UTC").dt.strftime("%Y-%m-%dT%H:%M:%S%.9fZ")
            if isinstance(kind, pl.Datetime) and kind.time_zone is not None
            else pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%S%.9f")
            if isinstance(kind, pl.Datetime)
            else pl.col(name).cast(pl.String)
            for name, kind in schema.items()
            if not kind.is_nested()
        ]
        number = 0
        for batch in frame.select(texts).collect_batches(maintain_order=True):
            for row in batch.iter_rows(named=True):
                number += 1
                yield number, row
    except (pl.exceptions.PolarsError, OSError) as error:
        raise CompareRefused(f"{path.name} cannot be read as Parquet: {str(error).partition(chr(10))[0]}") from None


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            yield handle
    except UnicodeDecodeError as error:
        raise CompareRefused(f"{path.name} is not UTF-8: {error.reason} at byte {error.start}") from None
    except OSError as error:
        raise CompareRefused(f"{path.name} cannot be read: {error.strerror}") from None
