"""The `tally` command: one module a subcommand, tables for people and `--json` for programs.

Exit codes: 0 as asked, 1 something is wrong (the message says what), 2 the command line is.
"""

import sys

import typer
from rich.console import Console

from tally.cli import (
    adjustments,
    apply,
    backup,
    close,
    compare,
    conflicts,
    counters,
    dagster,
    dbt,
    decide,
    demo,
    env,
    explain,
    import_,
    keys,
    ledger,
    loop,
    migrate,
    periods,
    price,
    push,
    reconcile,
    replay,
    reports,
    retention,
    shadow,
    stack,
    status,
    stripe_sandbox,
    sync,
    webhooks,
)
from tally.errors import TallyError

# `tally dbt …` and `tally import …` hand everything behind it to dbt, --help included.
_PASS_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Usage metering that a company can bill from.",
)
app.command("demo")(demo.demo)
app.command("up")(stack.up)
app.command("down")(stack.down)
app.command("status")(status.status)
app.command("migrate")(migrate.migrate)
app.command("apply")(apply.apply)
app.add_typer(keys.app, name="keys")
app.command("sync")(sync.sync)
app.add_typer(periods.app, name="periods")
app.command("import", context_settings=_PASS_THROUGH)(import_.import_)
app.command("tick")(ledger.tick)
app.command("loop")(loop.loop)
app.add_typer(push.app, name="push")
app.add_typer(webhooks.app, name="webhooks")
app.command("decide")(decide.decide)
app.add_typer(close.app, name="close")
app.add_typer(shadow.app, name="shadow")
app.command("stripe-sandbox")(stripe_sandbox.stripe_sandbox)
app.add_typer(adjustments.app, name="adjustments")
app.add_typer(conflicts.app, name="conflicts")
app.command("explain")(explain.explain)
app.add_typer(counters.app, name="counters")
app.command("reconcile")(reconcile.reconcile)
app.add_typer(reports.app, name="reports")
app.command("compare")(compare.compare)
app.command("replay")(replay.replay)
app.command("price")(price.price)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("retention")(retention.retention)
app.command("env")(env.env)
app.command("dagster")(dagster.dagster)
app.command("dbt", context_settings=_PASS_THROUGH)(dbt.dbt)


def main() -> None:
    """Entry point of the `tally` script."""
    try:
        app()
    except TallyError as error:
        Console(stderr=True, highlight=False).print(f"[red]tally:[/red] {error}", soft_wrap=True)
        sys.exit(1)
