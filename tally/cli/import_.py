"""`tally import FILE`: usage from files. The rules are the door's, so the door's package does it, as a process."""

import os

import typer

from tally.services import python_module


def import_(context: typer.Context) -> None:
    """Land the usage events of a CSV, JSONL or Parquet file; `tally import --help` lists the options."""
    command = python_module("ingest.importing", *context.args)
    os.execv(command[0], command)
