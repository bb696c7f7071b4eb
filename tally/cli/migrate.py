"""`tally migrate`: bring the schema to this version."""

from typing import Annotated

import typer

from tally import migrations, roles
from tally.cli.output import JsonFlag, console, print_json, progress
from tally.database import connect, database_url
from tally.settings import load_settings


def migrate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be applied; change nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Apply the pending migrations, one by one, under load. Safe to run twice, and from several machines at once."""
    with connect(database_url(load_settings()), autocommit=True) as connection:
        if dry_run:
            names = [migration.name for migration in migrations.pending(connection)]
            granted = []
        else:
            names = migrations.migrate(connection, report=progress.print)
            # What a migration made has no grants yet, and the services of this version need them.
            granted = roles.apply(connection) if roles.are_in_use(connection) else []
    if as_json:
        print_json({"applied" if not dry_run else "pending": names, "grants": granted})
    else:
        for name in names:
            console.print(f"{'would apply' if dry_run else 'applied'} {name}")
        if granted:
            console.print(f"brought roles and grants in step: {len(granted)} statements")
        if not names:
            console.print("the schema is current")
