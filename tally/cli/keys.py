"""`tally keys`: the bearer keys that apps post with."""

from datetime import timedelta
from typing import Annotated

import typer

from tally import api_keys
from tally.api_key_rotation import DEFAULT_OVERLAP, rotate_key
from tally.api_keys import ApiKey
from tally.cli.output import JsonFlag, TenantOption, console, print_json, print_table
from tally.cli.session import opened, tenant_meant
from tally.clock import clock_for
from tally.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Create, list, limit, rotate and revoke API keys.")
_LIMIT_HELP = "The new limit; 0 leaves it to the doors' settings."


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who or what uses it, e.g. checkout-service")],
    tenant: TenantOption = None,
    scope: Annotated[list[str] | None, typer.Option(help="May be given several times.")] = None,
    expires_days: Annotated[int | None, typer.Option(min=1, help="Days until it expires; never by default.")] = None,
    events_per_second: Annotated[int | None, typer.Option(min=1, help="Its own limit at each door.")] = None,
    burst: Annotated[int | None, typer.Option(min=1, help="Events it may post at once after a pause.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a key and show it, this once."""
    with opened() as connection:
        tenant_id = tenant_meant(connection, tenant)
        now = clock_for(load_settings(), connection).now() if expires_days else None
        expires_at = now + timedelta(days=expires_days) if now and expires_days else None
        key = api_keys.create_key(
            connection, tenant_id, name, tuple(scope or ["events:write"]), expires_at,
            events_per_second=events_per_second, burst=burst,
        )  # fmt: skip
    if as_json:
        print_json({"tenant_id": tenant_id, "name": name, "key": key})
        return
    _show_once(key)


@app.command("list")
def list_(tenant: TenantOption = None, as_json: JsonFlag = False) -> None:
    """List the keys of a tenant."""
    with opened() as connection:
        keys = api_keys.list_keys(connection, tenant_meant(connection, tenant))
    if as_json:
        print_json(keys)
        return
    columns = ["key", "name", "scopes", "limit", "last used", "ends"]
    rows = [(key.key_id, key.name, "\n".join(key.scopes), _limit(key), key.last_used_at, _end(key)) for key in keys]
    print_table("API keys", columns, rows)


@app.command()
def rotate(
    key_id: str,
    tenant: TenantOption = None,
    overlap_hours: Annotated[
        int, typer.Option(min=0, max=720, help="How long the old key still works.")
    ] = DEFAULT_OVERLAP // timedelta(hours=1),
    as_json: JsonFlag = False,
) -> None:
    """Make a key in the place of this one and show it, this once; the old one works on for the overlap."""
    with opened() as connection:
        now = clock_for(load_settings(), connection).now()
        tenant_id = tenant_meant(connection, tenant)
        rotation = rotate_key(connection, tenant_id, key_id, now, timedelta(hours=overlap_hours))
    if rotation is None:
        _nobody(key_id)
        raise typer.Exit(1)
    if as_json:
        print_json({"tenant_id": tenant_id, "replaces": key_id, **vars(rotation)})
        return
    _show_once(rotation.key)
    console.print(f"{key_id} works until {rotation.old_key_expires_at:%Y-%m-%d %H:%M:%SZ}")


@app.command()
def limit(
    key_id: str,
    tenant: TenantOption = None,
    events_per_second: Annotated[int | None, typer.Option(min=0, help=_LIMIT_HELP)] = None,
    burst: Annotated[int | None, typer.Option(min=0, help=_LIMIT_HELP)] = None,
    as_json: JsonFlag = False,
) -> None:
    """Change how fast a key may post; running doors hold to it within five seconds. What is left out stays."""
    asked = {"events_per_second": events_per_second, "burst": burst}
    limits = {name: value or None for name, value in asked.items() if value is not None}
    if not limits:
        raise typer.BadParameter("give --events-per-second, --burst or both; 0 leaves it to the doors' settings")
    with opened() as connection:
        key = api_keys.limit_key(connection, tenant_meant(connection, tenant), key_id, limits)
    if key is None:
        _nobody(key_id)
        raise typer.Exit(1)
    if as_json:
        print_json(key)
        return
    said = (_limit(key) or "no limit of its own").replace("\n", ", ")
    console.print(f"{key_id}: {said}")


@app.command()
def revoke(key_id: str, tenant: TenantOption = None, as_json: JsonFlag = False) -> None:
    """Revoke a key; the door refuses it within five seconds."""
    with opened() as connection:
        revoked = api_keys.revoke_key(connection, tenant_meant(connection, tenant), key_id)
    if as_json:
        print_json({"key_id": key_id, "revoked": revoked})
    elif revoked:
        console.print(f"revoked {key_id}")
    else:
        _nobody(key_id)
    raise typer.Exit(0 if revoked else 1)


def _limit(key: ApiKey) -> str | None:
    rate = [] if key.events_per_second is None else [f"{key.events_per_second}/s"]
    burst = [] if key.burst is None else [f"burst {key.burst}"]
    return "\n".join(rate + burst) or None


def _end(key: ApiKey) -> str | None:
    if key.revoked_at is not None:
        return f"revoked\n{key.revoked_at:%Y-%m-%d %H:%MZ}"
    return None if key.expires_at is None else f"expires\n{key.expires_at:%Y-%m-%d %H:%MZ}"


def _show_once(key: str) -> None:
    console.print(key, soft_wrap=True)
    console.print("[dim]Shown once: keep it in the app's secrets. Only its hash is stored.[/dim]")


def _nobody(key_id: str) -> None:
    console.print(f"no such key of this tenant: {key_id}")
