"""`tally keys`: the bearer keys that apps post with."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from tally import api_keys
from tally.cli.output import JsonFlag, TenantOption, console, print_json, print_table
from tally.cli.session import opened, tenant_meant

app = typer.Typer(no_args_is_help=True, help="Create, list and revoke API keys.")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who or what uses it, e.g. checkout-service")],
    tenant: TenantOption = None,
    scope: Annotated[list[str] | None, typer.Option(help="May be given several times.")] = None,
    expires_days: Annotated[int | None, typer.Option(min=1, help="Days until it expires; never by default.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a key and show it, this once."""
    expires_at = datetime.now(UTC) + timedelta(days=expires_days) if expires_days else None
    with opened() as connection:
        tenant_id = tenant_meant(connection, tenant)
        key = api_keys.create_key(
            connection, tenant_id, name, scopes=tuple(scope or ["events:write"]), expires_at=expires_at
        )
    if as_json:
        print_json({"tenant_id": tenant_id, "name": name, "key": key})
        return
    console.print(key, soft_wrap=True)
    console.print("[dim]Shown once: keep it in the app's secrets. Only its hash is stored.[/dim]")


@app.command("list")
def list_(tenant: TenantOption = None, as_json: JsonFlag = False) -> None:
    """List the keys of a tenant."""
    with opened() as connection:
        keys = api_keys.list_keys(connection, tenant_meant(connection, tenant))
    if as_json:
        print_json(keys)
        return
    columns = ["key", "name", "scopes", "created", "expires", "revoked"]
    rows = [
        (key.key_id, key.name, " ".join(key.scopes), key.created_at, key.expires_at, key.revoked_at) for key in keys
    ]
    print_table("API keys", columns, rows)


@app.command()
def revoke(key_id: str, tenant: TenantOption = None, as_json: JsonFlag = False) -> None:
    """Revoke a key; the door refuses it within five seconds."""
    with opened() as connection:
        revoked = api_keys.revoke_key(connection, tenant_meant(connection, tenant), key_id)
    if as_json:
        print_json({"key_id": key_id, "revoked": revoked})
    else:
        console.print(f"revoked {key_id}" if revoked else f"no such key of this tenant: {key_id}")
    raise typer.Exit(0 if revoked else 1)
