"""`tally dagster`: Dagster's own programs, on this stack's database and home folder."""

import os
from typing import Annotated, Literal

import typer

from tally.cli.stack import DemoFlag, chosen_settings
from tally.stack import dagster_command, stack_environment


def dagster(
    program: Annotated[Literal["webserver", "daemon", "dev", "liveness"], typer.Argument(help="Which one to run.")],
    host: Annotated[str | None, typer.Option(help="Address of the UI; TALLY_DAGSTER_HOST by default.")] = None,
    demo: DemoFlag = False,
) -> None:
    """Run the Dagster webserver, the daemon, both for development, or the daemon's liveness check."""
    settings = chosen_settings(demo)
    command = dagster_command(settings, program, host)
    os.execve(command[0], command, {**os.environ, **stack_environment(settings)})
