"""`tally status`: one screen, and an exit code for monitors."""

import time
from typing import Annotated, Any

import psycopg
import typer
from rich.live import Live

from tally import closing
from tally.alerts import list_alerts
from tally.cli.output import JsonFlag, TenantOption, console, print_json
from tally.cli.session import opened, tenant_meant
from tally.cli.status_screen import Look, screen
from tally.clock import Clock, clock_for
from tally.machine import machine
from tally.pipeline_status import Limits, pipeline_status
from tally.settings import Settings, load_settings


def status(
    tenant: TenantOption = None,
    watch: Annotated[float | None, typer.Option(min=0.5, metavar="SECONDS", help="Look again every so often.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Say whether billing is healthy. Exits 1 when something needs a person."""
    if watch is not None and as_json:
        raise typer.BadParameter("--watch shows a screen, --json prints one document: choose one")
    settings = load_settings()
    with opened() as connection:
        tenant_id = tenant_meant(connection, tenant)
        clock = clock_for(settings, connection)
        look = _look(connection, tenant_id, settings, clock)
        if as_json:
            print_json(_document(look))
        elif watch is None:
            console.print(screen(look))
        else:
            look = _watch(connection, look, settings, clock, watch)
    raise typer.Exit(1 if look.wrong else 0)


def _look(connection: psycopg.Connection[Any], tenant_id: str, settings: Settings, clock: Clock) -> Look:
    now, limits = clock.now(), Limits.of(settings)
    pipeline = pipeline_status(connection, tenant_id, now, settings.stripe_read_allowance, limits)
    ending = closing.overview(connection, tenant_id, clock)
    below = machine(connection, settings.home)
    alerts = list_alerts(connection, tenant_id=tenant_id)
    wrong = (*pipeline.wrong, *ending.wrong, *map(str, below.findings(limits.lag)))
    return Look(tenant_id, now, pipeline, ending, below, alerts, wrong)


def _watch(connection: psycopg.Connection[Any], look: Look, settings: Settings, clock: Clock, seconds: float) -> Look:
    """Until Ctrl-C; returns the last look."""
    with Live(screen(look), console=console, auto_refresh=False) as live:
        try:
            while True:
                time.sleep(seconds)
                look = _look(connection, look.tenant_id, settings, clock)
                live.update(screen(look), refresh=True)
        except KeyboardInterrupt:
            return look


def _document(look: Look) -> dict[str, Any]:
    return {
        "tenant_id": look.tenant_id, **vars(look.pipeline), "closing": look.ending, "machine": look.machine,
        "alerts": look.alerts, "wrong": look.wrong,
    }  # fmt: skip
