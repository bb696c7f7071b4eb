"""`tally demo`: a real month, end to end. The demo is an application on top of the core, so it runs as one."""

import os
from typing import Annotated

import typer

from tally.services import python_module


def demo(
    serve: Annotated[bool, typer.Option("--serve", help="Leave it all running at the end; Ctrl-C stops it.")] = False,
    close: Annotated[
        bool, typer.Option("--close", help="Three months with a trial, an upgrade, a pause and a cancellation instead.")
    ] = False,
) -> None:
    """Two months of New York departures, metered, pushed to the local Stripe, reconciled. Exits 1 if a cell is off."""
    if serve and close:
        raise typer.BadParameter("goes with the demo of the departures, not with --close", param_hint="--serve")
    command = python_module("demo.cycle") if close else python_module("demo", *(["--serve"] if serve else []))
    os.execv(command[0], command)
