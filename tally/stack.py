"""What the stack on one machine is made of: its environment and its processes' command lines."""

from pathlib import Path

from tally import dagster_home, demo_environment
from tally.database import database_url
from tally.ledger import database_environment
from tally.services import Service, python_module
from tally.settings import Settings

CODE_LOCATION = ("-m", "dagster_project.definitions")
LOOP_COMMAND = python_module("dagster_project.loop")
METRICS_COMMAND = python_module("tally.metrics")
PAGES_COMMAND = python_module("pages")


def stack_environment(settings: Settings) -> dict[str, str]:
    """What every process of the stack is told; the local Stripe stands in where no key is given."""
    url = database_url(settings)
    environment = dagster_home.prepare(settings, url) | database_environment(url) | {"TALLY_CLOCK": settings.clock}
    environment["TALLY_ALERT_DOOR_URL"] = settings.alert_door_url or _door_address(settings)
    if uses_local_stripe(settings):
        environment["STRIPE_API_KEY"] = demo_environment.TEST_KEY
        environment["STRIPE_API_BASE"] = f"http://127.0.0.1:{settings.sandbox_port}"
    return environment


def services(settings: Settings) -> list[Service]:
    """The stack's processes, in the order in which they start."""
    dagster = f"http://{settings.dagster_host}:{settings.dagster_port}"
    listed = [
        door_service(settings),
        Service("loop", LOOP_COMMAND),
        metrics_service(settings),
        pages_service(settings),
        Service("dagster-webserver", dagster_command(settings, "webserver"), f"{dagster}/server_info"),
        Service("dagster-daemon", dagster_command(settings, "daemon")),
    ]
    if uses_local_stripe(settings):
        listed.insert(0, sandbox_service(settings, settings.home / "stripe_sandbox.sqlite"))
    return listed


def door_service(settings: Settings) -> Service:
    """The ingest door."""
    return Service("door", python_module("ingest"), f"{_door_address(settings)}/health/ready")


def _door_address(settings: Settings) -> str:
    return f"http://{settings.door_host}:{settings.door_port}"


def metrics_service(settings: Settings) -> Service:
    """The exporter of the pipeline's metrics."""
    address = f"http://{settings.metrics_host}:{settings.metrics_port}"
    return Service("metrics", METRICS_COMMAND, f"{address}/metrics")


def pages_service(settings: Settings) -> Service:
    """The reports and dbt's documentation, for browsers."""
    # Asked where it binds: TALLY_PAGES_URL may be a proxy's.
    return Service("pages", PAGES_COMMAND, f"http://{settings.pages_host}:{settings.pages_port}/health")


def sandbox_service(settings: Settings, state: Path | None) -> Service:
    """The local Stripe, keeping its state in `state`, or only in memory."""
    port = str(settings.sandbox_port)
    kept = ["--state", str(state)] if state else []
    command = python_module("stripe_sandbox", "--port", port, *kept)
    return Service("stripe-sandbox", command, f"http://127.0.0.1:{port}/_sandbox/health")


def dagster_command(settings: Settings, program: str, host: str | None = None) -> list[str]:
    """The command line of one of Dagster's programs."""
    address = ["-h", host or settings.dagster_host, "-p", str(settings.dagster_port)]
    commands = {
        "webserver": python_module("dagster_webserver", *address, *CODE_LOCATION),
        "daemon": python_module("dagster._daemon", "run", *CODE_LOCATION),
        "dev": python_module("dagster", "dev", *address, *CODE_LOCATION),
        "liveness": python_module("dagster._daemon", "liveness-check"),
    }
    return commands[program]


def uses_local_stripe(settings: Settings) -> bool:
    """Whether the local Stripe stands in, because no key of a real account is given."""
    key = settings.stripe_api_key
    return key is None or key.get_secret_value() == demo_environment.TEST_KEY
