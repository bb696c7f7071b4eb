"""`tally loop`: the resident loop alone, as `tally up` runs it among the rest."""

import os
from typing import Annotated

import typer

from tally.cli.output import console
from tally.cli.session import opened
from tally.cli.stack import DemoFlag, chosen_settings
from tally.loop_heartbeat import loop_state
from tally.stack import LOOP_COMMAND, stack_environment

CheckFlag = Annotated[
    bool, typer.Option("--check", help="Only say whether a loop runs on this database; exits 1 if not.")
]


def loop(check: CheckFlag = False, demo: DemoFlag = False) -> None:
    """Keep counting what lands, about every second; Ctrl-C or SIGTERM ends it after its tick."""
    settings = chosen_settings(demo)
    if check:
        _check()
        return
    os.execve(LOOP_COMMAND[0], LOOP_COMMAND, {**os.environ, **stack_environment(settings)})


def _check() -> None:
    with opened() as connection:
        state = loop_state(connection)
    if state is None or not state.is_running:
        console.print("no loop runs on this database")
        raise typer.Exit(1)
    console.print(
        f"{state.process} runs since {state.started_at:%Y-%m-%d %H:%M:%S}Z, "
        f"{state.ticks_last_minute} ticks in the last minute"
    )
