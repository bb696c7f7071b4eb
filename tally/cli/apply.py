"""`tally apply FILE`: from the declared configuration to the database, the difference first."""

from pathlib import Path
from typing import Annotated

import typer

from tally.cli.output import JsonFlag, console, print_json
from tally.cli.session import opened
from tally.configuration import apply as apply_configuration
from tally.configuration import difference, load_configuration


def apply(
    file: Annotated[Path, typer.Argument(help="The configuration, e.g. demo/tally.yaml")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the difference; write nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write tenants, meters, customers and price mappings. What the file leaves out stays as it is."""
    configuration = load_configuration(file)
    with opened() as connection:
        changes = difference(connection, configuration) if dry_run else apply_configuration(connection, configuration)
    if as_json:
        print_json({"dry_run": dry_run, "changes": changes})
        return
    for change in changes:
        console.print(str(change), markup=False, soft_wrap=True)
    console.print(f"{len(changes)} changes{' (dry run: nothing written)' if dry_run else ' written'}")
    for change in changes:
        if change.note:
            console.print(f"note: {change.note}", markup=False, soft_wrap=True)
