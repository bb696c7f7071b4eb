"""How long `tally import` takes for a million rows, against `psql` copying the same rows into the same table.

    python -m tests.benchmarks.bench_import [--rows N] [--repeats N]

Each import is the whole command, from its start to its exit, on an empty table; that every row landed once is checked.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import polars as pl
from rich.console import Console

from tally.database import connect
from tests.benchmarks.bars import Bar, at_most, report
from tests.benchmarks.ingest.bodies import PLACEHOLDER, copy_lines, request_id
from tests.benchmarks.ingest.stage import Door, door, server

LIMIT = 10.0
EVENTS = 1000
COLUMNS = ("idempotency_key", "customer_ref", "metric", "quantity", "event_time", "properties")


def main() -> int:
    """Measure; the exit status is 1 when a bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3, help="runs of each, medians are compared")
    options = parser.parse_args()
    console = Console()
    before = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory() as folder,
        server(Path(folder) / "postgres") as postgres,
        door(postgres, "importing") as stage,
    ):
        lines = _lines(Path(folder), options.rows // EVENTS)
        files = _files(Path(folder), lines)
        copied = [_timed(stage, options.rows, lambda: stage.copy(lines)) for _ in range(options.repeats)]
        console.print(f"psql COPY: {median(copied):.2f} s")
        bars: list[Bar] = []
        for file in files:
            taken = [_timed(stage, options.rows, lambda: _import(stage, file)) for _ in range(options.repeats)]  # noqa: B023
            console.print(f"tally import {file.name}: {median(taken):.2f} s")
            name = f"import of {options.rows:,} rows from {file.suffix[1:]}, of psql COPY of the same rows"
            bars.append(at_most(name, median(taken) / median(copied), "times", LIMIT))
    console.print(f"{os.cpu_count()} cores; load average {before:.1f} before and {os.getloadavg()[0]:.1f} after")
    return report("import", bars, console)


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


if __name__ == "__main__":
    sys.exit(main())
