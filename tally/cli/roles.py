"""`tally roles`: Postgres roles with the least privilege that each service needs."""

from typing import Annotated

import typer

from tally import roles
from tally.cli.output import JsonFlag, console, print_json, print_table
from tally.cli.session import opened

app = typer.Typer(no_args_is_help=True, help="Postgres roles of least privilege, one per service.")


@app.command()
def apply(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the SQL that would run; change nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make the roles and their grants as this version declares them; run again, it changes nothing.

    Roles without a login: give each service a login of its own (docs/security.md has the commands).
    """
    with opened() as connection:
        statements = roles.plan(connection) if dry_run else roles.apply(connection)
    if as_json:
        print_json({"dry_run": dry_run, "statements": statements})
        return
    for statement in statements:
        console.print(f"{statement};", markup=False, soft_wrap=True)
    console.print(
        f"{len(statements)} statements {'would run; nothing was changed' if dry_run else 'ran'}"
        if statements
        else "roles and grants are as declared"
    )


@app.command("list")
def list_(as_json: JsonFlag = False) -> None:
    """Say what each role is for and what it may do."""
    if as_json:
        print_json([vars(role) for role in roles.ROLES])
        return
    rows = [
        (
            role.name,
            role.purpose,
            ", ".join(role.member_of) or None,
            "\n".join(f"{relation}: {privileges or 'nothing'}" for relation, privileges in role.tables.items()),
        )
        for role in roles.ROLES
    ]
    print_table("Roles", ["role", "for", "and all of", "may"], rows)
