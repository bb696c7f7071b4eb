"""`tally dbt ...`: the real dbt command line, pointed at this database and at our project."""

import os
import subprocess
import sys

import typer

from tally.cli.session import opened
from tally.database import database_url
from tally.ledger.environment import dbt_environment
from tally.settings import load_settings

_DBT = "from dbt.cli.main import cli; cli(prog_name='tally dbt')"
_ONLY_ASKS = {"--help", "-h", "--version", "-v"}


def dbt(context: typer.Context) -> None:
    """Run dbt on the ledger's project, e.g. `tally dbt build`, `tally dbt docs generate`."""
    settings = load_settings()
    if not _ONLY_ASKS.intersection(context.args):
        with opened():
            pass  # dbt would build on another version's schema, and fail in the middle of it
    environment = os.environ | dbt_environment(database_url(settings), settings.home / "dbt")
    command = [sys.executable, "-c", _DBT, *context.args]
    raise typer.Exit(subprocess.run(command, env=environment, check=False).returncode)
