"""`tally stripe-sandbox`: the local Stripe alone, without a database or the rest of the stack."""

import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from tally import demo_environment
from tally.cli.output import JsonFlag, console, print_json_line, print_table
from tally.errors import TallyError
from tally.services import Stack
from tally.settings import load_settings
from tally.stack import sandbox_service

LIVE_KEY = "sk_live_local_sandbox"  # like the test key, it opens nothing anywhere else

Port = Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Default: TALLY_SANDBOX_PORT; 0: any.")]
State = Annotated[Path | None, typer.Option("--state", help="File that keeps everything; default: forgotten at exit.")]
Lag = Annotated[float | None, typer.Option("--lag", min=0, help="Seconds from accepting an event to counting it.")]
LagSpread = Annotated[
    float | None, typer.Option("--lag-spread", min=0, help="Up to so many seconds more, drawn anew for each event.")
]
RateLimit = Annotated[
    float | None,
    typer.Option("--rate-limit", min=0, help="Calls a second and account; 0: none. Stripe's test mode: 25."),
]
Concurrency = Annotated[
    int | None, typer.Option("--concurrency", min=0, help="Meter event calls at once per customer and meter; 0: any.")
]
GraceHours = Annotated[
    float | None, typer.Option("--grace-hours", min=0, max=72, help="From a draft invoice to its finalization.")
]


def stripe_sandbox(
    port: Port = None,
    state: State = None,
    lag: Lag = None,
    lag_spread: LagSpread = None,
    rate_limit: RateLimit = None,
    concurrency: Concurrency = None,
    grace_hours: GraceHours = None,
    as_json: JsonFlag = False,
) -> None:
    """Start the local Stripe alone, with a page that shows all it knows; Ctrl-C stops it."""
    chosen = port if port is not None else load_settings().sandbox_port
    settings = load_settings().model_copy(update={"sandbox_port": _free(chosen)})
    knobs = {
        "apply_lag_seconds": lag,
        "apply_lag_spread_seconds": lag_spread,
        "rate_limit_per_second": rate_limit,
        "meter_event_concurrency": concurrency,
        "finalization_grace_hours": grace_hours,
    }
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), Stack(settings.home / "logs", {}) as stack:
        stack.start(sandbox_service(settings, state), wait_seconds=30)
        url = f"http://127.0.0.1:{settings.sandbox_port}"
        given = {name: value for name, value in knobs.items() if value is not None}
        answer = httpx.post(f"{url}/_sandbox/settings", json=given).raise_for_status()
        print_start(url, state, {name: answer.json()[name] for name in knobs}, as_json)
        stack.watch()


def print_start(url: str, state: Path | None, knobs: dict[str, Any], as_json: bool) -> None:
    """Where it answers, and which keys to use: it takes any that look like Stripe's."""
    keys = {"test": demo_environment.TEST_KEY, "live": LIVE_KEY}
    if as_json:
        print_json_line({"url": url, "page": f"{url}/_sandbox", "keys": keys, "state": state, "settings": knobs})
        return
    rows = [
        ("STRIPE_API_BASE", url),
        ("STRIPE_API_KEY", f"{keys['test']}  (test mode; live mode: {keys['live']})"),
        ("page", f"{url}/_sandbox"),
        ("kept in", state or "memory, forgotten at exit"),
        *((name.replace("_", " "), str(value)) for name, value in knobs.items()),
    ]
    print_table("The local Stripe is up; Ctrl-C stops it", ["what", "value"], rows)
    console.print(f"curl -X POST {url}/_sandbox/settings turns its other knobs; stripe_sandbox/README.md lists them")


def _free(port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise TallyError(f"port {port} is taken: choose another with --port, or 0 for any") from None
        chosen: int = probe.getsockname()[1]
    return chosen
