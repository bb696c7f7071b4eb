"""`tally demo`: a real month, end to end. The demo is an application on top of the core, so it runs as one."""

import os
from typing import Annotated

import typer

from tally.services import python_module


def demo(
    serve: Annotated[bool, typer.Option("--serve", help="Leave it all running at the end; Ctrl-C stops it.")] = False,
) -> None:
    """Two months of New York departures, metered, pushed to the local Stripe, reconciled. Exits 1 if a cell is off."""
    command = python_module("demo", *(["--serve"] if serve else []))
    os.execv(command[0], command)
