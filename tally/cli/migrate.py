"""`tally migrate`: bring the schema to this version."""

from typing import Annotated

import typer

from tally import migrations
from tally.cli.output import JsonFlag, console, print_json
from tally.database import connect, database_url
from tally.settings import load_settings


def migrate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be applied; change nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Apply the pending migrations, all or none. Safe to run twice, and from several machines at once."""
    with connect(database_url(load_settings()), autocommit=True) as connection:
        if dry_run:
            names = [migration.name for migration in migrations.pending(connection)]
        else:
            names = migrations.migrate(connection)
    if as_json:
        print_json({"applied" if not dry_run else "pending": names})
    else:
        for name in names:
            console.print(f"{'would apply' if dry_run else 'applied'} {name}")
        if not names:
            console.print("the schema is current")
