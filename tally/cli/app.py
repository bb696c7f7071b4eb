"""The `tally` command: one module a subcommand, tables for people and `--json` for programs.

Exit codes: 0 as asked, 1 something is wrong (the message says what), 2 the command line is. A subcommand is imported
when it is asked for: all of them together take longer to import than most of them take to run.
"""

import sys
from collections import UserDict
from importlib import import_module
from typing import Any

import typer
from rich.console import Console
from typer.core import TyperGroup
from typer.main import get_group

from tally.errors import TallyError

# name: module of tally.cli, and the function or the group of subcommands in it. `tally --help` keeps this order.
COMMANDS = {
    "demo": "demo:demo",
    "up": "stack:up",
    "down": "stack:down",
    "status": "status:status",
    "doctor": "doctor:doctor",
    "alerts": "alerts:app",
    "migrate": "migrate:migrate",
    "apply": "apply:apply",
    "keys": "keys:app",
    "roles": "roles:app",
    "sync": "sync:sync",
    "subscribe": "subscribe:subscribe",
    "periods": "periods:app",
    "import": "import_:import_",
    "tick": "ledger:tick",
    "loop": "loop:loop",
    "metrics": "metrics:metrics",
    "push": "push:app",
    "webhooks": "webhooks:app",
    "decide": "decide:decide",
    "close": "close:app",
    "shadow": "shadow:app",
    "stripe-sandbox": "stripe_sandbox:stripe_sandbox",
    "adjustments": "adjustments:app",
    "conflicts": "conflicts:app",
    "explain": "explain:explain",
    "counters": "counters:app",
    "reconcile": "reconcile:reconcile",
    "reports": "reports:app",
    "compare": "compare:compare",
    "replay": "replay:replay",
    "price": "price:price",
    "backup": "backup:backup",
    "restore": "backup:restore",
    "retention": "retention:retention",
    "erase": "erase:erase",
    "env": "env:env",
    "dagster": "dagster:dagster",
    "dbt": "dbt:dbt",
}
# `tally dbt …` and `tally import …` hand everything behind it to dbt, --help included.
_PASS_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
_CONTEXT_SETTINGS = {"dbt": _PASS_THROUGH, "import": _PASS_THROUGH}


class _Commands(UserDict[str, Any]):
    """Subcommands by name; each is imported and built when it is looked at."""

    def __getitem__(self, name: str) -> Any:
        module, attribute = super().__getitem__(name).split(":")
        found = getattr(import_module(f"tally.cli.{module}"), attribute)
        holder = typer.Typer()
        if isinstance(found, typer.Typer):
            holder.add_typer(found, name=name)
        else:
            holder.command(name, context_settings=_CONTEXT_SETTINGS.get(name))(found)
        return get_group(holder).commands[name]


class _Tally(TyperGroup):
    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = _Commands(COMMANDS)


app = typer.Typer(
    cls=_Tally,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Usage metering that a company can bill from.",
)


@app.callback()
def _tally() -> None:
    pass  # a group without a command of its own needs one


def main() -> None:
    """Entry point of the `tally` script."""
    try:
        app()
    except TallyError as error:
        Console(stderr=True, highlight=False).print(f"[red]tally:[/red] {error}", soft_wrap=True)
        sys.exit(1)
