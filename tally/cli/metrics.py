"""`tally metrics`: what Prometheus reads of the pipeline, served or printed once."""

import os
from contextlib import closing
from typing import Annotated

import typer
from prometheus_client import generate_latest

from tally.cli.stack import DemoFlag, chosen_settings
from tally.metrics.collector import registry
from tally.metrics.server import pipeline_reader
from tally.settings import Settings
from tally.stack import METRICS_COMMAND

OnceFlag = Annotated[
    bool, typer.Option("--once", help="Print the metrics and end; exits 1 when the database does not answer.")
]


def metrics(once: OnceFlag = False, demo: DemoFlag = False) -> None:
    """Serve the pipeline's metrics for Prometheus at /metrics; Ctrl-C or SIGTERM ends it. The door serves its own."""
    settings = chosen_settings(demo)
    if once:
        raise typer.Exit(0 if _print(settings) else 1)
    os.execve(METRICS_COMMAND[0], METRICS_COMMAND, dict(os.environ))


def _print(settings: Settings) -> bool:
    with closing(pipeline_reader(settings)) as reader:
        reader.require_current_schema()
        text = generate_latest(registry(reader, settings.home)).decode()
    typer.echo(text, nl=False)
    return "\ntally_up 1.0\n" in text
