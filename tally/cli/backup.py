"""`tally backup` and `tally restore`: everything in one file, and back, transaction ids included."""

from pathlib import Path
from typing import Annotated

import psycopg
import typer

from tally import backup as backups
from tally.backup import BackupRefused, Restamped, RestampPlan
from tally.cli.output import JsonFlag, console, print_json, print_table, progress
from tally.cli.session import opened
from tally.database import database_url
from tally.settings import load_settings

FileArgument = Annotated[Path, typer.Argument(help="The backup file; pg_dump's custom format.", dir_okay=False)]


def backup(file: FileArgument, as_json: JsonFlag = False) -> None:
    """Write the whole database, as of one moment, to a new file. Nothing has to stop for it."""
    written = backups.backup(database_url(load_settings()), file, _say_table)
    if as_json:
        print_json(written)
    else:
        console.print(f"{written.file}: {written.size_bytes:,} bytes", markup=False, soft_wrap=True)


def restore(
    file: Annotated[Path | None, typer.Argument(help="A file that `tally backup` wrote.", dir_okay=False)] = None,
    restamp_only: Annotated[
        bool,
        typer.Option("--restamp-only", help="It was restored by other means: renew its transaction ids."),
    ] = False,
    ids_carried_on: Annotated[
        bool,
        typer.Option(
            "--ids-carried-on", help="With --restamp-only, after pg_upgrade: keep the ids, they are this cluster's."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and say what would be done; write nothing.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Restore a backup into an empty database, and renew its transaction ids, so that the ledger reads on."""
    if (file is None) != restamp_only or (ids_carried_on and not restamp_only):
        raise BackupRefused("name the backup FILE, or --restamp-only (after pg_upgrade with --ids-carried-on) alone")
    url = database_url(load_settings())
    if file is not None:
        applied = backups.restore(url, file, _say_table, dry_run=dry_run)
        if dry_run:
            _tell(as_json, {"dry_run": True, "file": file}, f"dry run: {file} can be restored; nothing written")
            return
        progress.print(f"restored {file}; {len(applied)} migrations applied on top", markup=False, soft_wrap=True)
    with opened() as connection:
        if ids_carried_on:
            models = backups.adopt_ids(connection, dry_run=dry_run)
            word = "would be" if dry_run else "are"
            _tell(
                as_json,
                {"dry_run": dry_run, "adopted": models},
                f"the bounds of {len(models)} models {word} this cluster's",
            )
        elif dry_run:
            _show_plan(backups.plan(connection), as_json)
        else:
            _restamp(connection, as_json, analyse=file is not None)


def _restamp(connection: psycopg.Connection, as_json: bool, *, analyse: bool) -> None:
    if analyse:
        # Nothing is known yet of what was just copied in, and every plan from here on needs to know.
        progress.print("gathering statistics")
        connection.execute("analyze")
    done = backups.restamp(connection, _say_relation)
    _tell(as_json, done, _story(done))


def _show_plan(found: RestampPlan, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    if found.from_cluster is None:
        console.print(f"the transaction ids are this cluster's ({found.to_cluster}): nothing to do")
        return
    bounds = [(model, old, new) for model, (old, new) in found.bounds.items()]
    print_table(f"Bounds, from cluster {found.from_cluster} to {found.to_cluster}", ["model", "old", "new"], bounds)
    print_table(
        "To rewrite" + (", as far as left" if found.resumes else ""),
        ["relation"],
        [(name,) for name in found.relations],
    )
    console.print("dry run: nothing written")


def _story(done: Restamped) -> str:
    if done.from_cluster is None:
        return f"the transaction ids are this cluster's ({done.to_cluster}): nothing to do"
    return (
        f"{sum(done.rows.values()):,} rows of {len(done.rows)} tables moved from cluster {done.from_cluster} to "
        f"{done.to_cluster}; next: tally tick"
    )


def _tell(as_json: bool, document: object, line: str) -> None:
    if as_json:
        print_json(document)
    else:
        console.print(line, markup=False, soft_wrap=True)


def _say_table(table: str) -> None:
    progress.print(table, markup=False, soft_wrap=True)


def _say_relation(relation: str, done: int, total: int) -> None:
    progress.print(f"new ids {done + 1} of {total}: {relation}", markup=False, soft_wrap=True)
