"""The subcommands are named in a table and imported when asked for: each must load, and alone."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from tally.cli.app import COMMANDS, app


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"dbt", "import"}))  # these become other programs
def test_every_subcommand_explains_itself(name: str) -> None:
    shown = CliRunner().invoke(app, [name, "--help"], prog_name="tally")
    assert shown.exit_code == 0, shown.output
    assert f"tally {name}" in shown.output


def test_one_subcommand_does_not_import_the_others() -> None:
    code = """
import sys
from typer.testing import CliRunner
from tally.cli.app import app
assert CliRunner().invoke(app, ["env", "--help"]).exit_code == 0
print(*{"tally.cli.push", "tally.cli.reconcile", "stripe", "polars"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
