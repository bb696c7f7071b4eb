"""`tally import` of a million rows, against `psql` copying the same rows into the same table.

Each import is the whole command, from its start to its exit, on an empty table; that every row landed once is checked.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import polars as pl
from rich.console import Console

from tally.database import connect
from tests.benchmarks.bars import Bar, at_most
from tests.benchmarks.ingest.bodies import PLACEHOLDER, copy_lines, request_id
from tests.benchmarks.ingest.stage import Door

LIMIT = 10.0
EVENTS = 1000
COLUMNS = ("idempotency_key", "customer_ref", "metric", "quantity", "event_time", "properties")


def measure_imports(stage: Door, rows: int, repeats: int, console: Console) -> list[Bar]:
    """The rows as CSV, Parquet and JSONL, and the copy alternate; ratios are of medians."""
    with tempfile.TemporaryDirectory() as folder:
        lines = _lines(Path(folder), rows // EVENTS)
        files = _files(Path(folder), lines)
        works: dict[str, Callable[[], None]] = {"copy": partial(stage.copy, lines)}
        works |= {file.suffix[1:]: partial(_import, stage, file) for file in files}
        taken: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(repeats):
            for name, work in works.items():
                taken[name].append(_timed(stage, rows, work))
            console.print("; ".join(f"{name} {seconds[-1]:.2f} s" for name, seconds in taken.items()))
    copied = median(taken.pop("copy"))
    return [
        at_most(
            f"import of {rows:,} rows from {name}, of psql COPY of the same rows", median(s) / copied, "times", LIMIT
        )
        for name, s in taken.items()
    ]


def _lines(folder: Path, batches: int) -> Path:
    path = folder / "usage.copy"
    template = copy_lines(EVENTS)
    with path.open("wb") as file:
        for number in range(batches):
            file.write(template.replace(PLACEHOLDER, request_id("ff", 0, number)))
    return path


def _files(folder: Path, lines: Path) -> list[Path]:
    """The same rows as CSV, Parquet and JSONL."""
    frame = pl.read_csv(
        lines,
        separator="\t",
        has_header=False,
        new_columns=["tenant_id", *COLUMNS],
        infer_schema=False,
        quote_char=None,
    ).select(COLUMNS)
    paths = [folder / f"usage.{suffix}" for suffix in ("csv", "parquet", "jsonl")]
    frame.write_csv(paths[0])
    frame.write_parquet(paths[1])
    with paths[2].open("w") as file:
        for key, customer, metric, quantity, time, properties in frame.iter_rows():
            file.write(
                f'{{"idempotency_key":"{key}","customer_ref":"{customer}","metric":"{metric}",'
                f'"quantity":{quantity},"event_time":"{time}","properties":{properties}}}\n'
            )
    return paths


def _timed(stage: Door, rows: int, work: Callable[[], None]) -> float:
    """Seconds of `work`, which lands all rows in an empty table.

    Raises:
        RuntimeError: other rows are there afterwards.
    """
    stage.empty()
    with connect(stage.database_url, autocommit=True) as connection:
        connection.execute("truncate tally.imports")
    started = perf_counter()
    work()
    seconds = perf_counter() - started
    with connect(stage.database_url) as connection:
        counted = "select count(*), count(distinct idempotency_key) from raw.usage_events"
        found = connection.execute(counted).fetchone()
    if found != (rows, rows):
        raise RuntimeError(f"{rows} rows were to land once each; rows and events landed: {found}")
    return seconds


def _import(stage: Door, file: Path) -> None:
    environment = {**os.environ, "DATABASE_URL": stage.database_url, "TALLY_HOME": str(file.parent)}
    command = [sys.executable, "-c", "from tally.cli.app import main; main()", "import", str(file)]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
