"""`tally env`: the environment in which dbt, Dagster and psql find this stack's database."""

import shlex

import typer

from tally.cli.output import JsonFlag, print_json
from tally.cli.stack import DemoFlag, chosen_settings
from tally.stack import stack_environment


def env(demo: DemoFlag = False, as_json: JsonFlag = False) -> None:
    """Print `export` lines: eval "$(tally env)" and then run dbt, dagster or psql by hand."""
    variables = stack_environment(chosen_settings(demo))
    if as_json:
        print_json(variables)
        return
    for name, value in variables.items():
        typer.echo(f"export {name}={shlex.quote(value)}")
