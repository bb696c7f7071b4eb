"""`tally up` and `tally down`: the whole stack on this machine."""

import os
import signal
from contextlib import suppress
from typing import Annotated, Any

import typer

from tally import demo_environment, migrations
from tally.cli.output import console, print_table
from tally.database import connect, database_url, embedded
from tally.errors import TallyError
from tally.page_addresses import pages_url
from tally.services import Stack
from tally.settings import Settings, load_settings
from tally.stack import services, stack_environment, uses_local_stripe

DemoFlag = Annotated[bool, typer.Option("--demo", help="On the demo's data, as the last `tally demo` left it.")]


def up(demo: DemoFlag = False) -> None:
    """Start the door, the ledger's loop, Dagster and (unless STRIPE_API_KEY is set) the local Stripe; Ctrl-C stops."""
    settings = chosen_settings(demo)
    with connect(database_url(settings), autocommit=True) as connection:
        applied = migrations.migrate(connection)
    console.print(f"database ready{f', {len(applied)} migrations applied' if applied else ''}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), Stack(settings.home / "logs", stack_environment(settings)) as stack:
        console.print("starting; the Dagster UI takes about 20 seconds ...")
        stack.start(*services(settings))
        print_addresses(settings)
        stack.watch()
    console.print("stopped")


def down() -> None:
    """Stop the embedded Postgres. Its data stays in TALLY_HOME."""
    settings = load_settings()
    if settings.database_url is not None:
        raise TallyError("DATABASE_URL is set: that Postgres is yours to stop")
    embedded(settings).stop()
    console.print("the embedded Postgres is down")


def chosen_settings(demo: bool) -> Settings:
    """The user's own settings, or the demo's."""
    settings = load_settings()
    if not demo:
        return settings
    if not demo_environment.demo_exists(settings):
        raise TallyError("no demo was run here yet: `make demo` first")
    os.environ.update(demo_environment.demo_environment(settings))
    load_settings.cache_clear()
    return load_settings()


def print_addresses(settings: Settings) -> None:
    """Where everything answers."""
    door = f"http://{settings.door_host}:{settings.door_port}"
    local = f"http://127.0.0.1:{settings.sandbox_port}"
    rows: list[tuple[Any, ...]] = [
        ("is billing healthy?", f"http://{settings.dagster_host}:{settings.dagster_port}/assets/billing/health"),
        ("Dagster UI", f"http://{settings.dagster_host}:{settings.dagster_port}/asset-groups"),
        ("reports, dbt docs", pages_url(settings)),
        ("ingest door", f"{door}/v1/events"),
        ("its contract", f"{door}/docs"),
        ("its metrics", f"{door}/metrics"),
        ("the pipeline's", f"http://{settings.metrics_host}:{settings.metrics_port}/metrics"),
        ("local Stripe", local) if uses_local_stripe(settings) else ("Stripe", settings.stripe_api_base or "live API"),
        ("logs", str(settings.home / "logs")),
    ]
    print_table("Tallyledger is up; Ctrl-C stops it", ["what", "where"], rows)
