"""How the demo ends: the run in numbers, where the report is, how to look around."""

import os

from rich.console import Console

from demo.run import Story
from demo.stage import Side, Stage
from tally.cli.stack import print_addresses
from tally.services import Service
from tally.stack import dagster_command, pages_service

_PUSHED = """
select count(*), count(*) filter (where state = 'confirmed'), (select count(*) from tally.push_attempts)
from tally.push_intents where tenant_id = %s
"""


def print_story(
    console: Console, stage: Stage[Side], story: Story, applied_other_than_once: int, seconds: float
) -> None:
    """A few lines of figures, each of them read back from where it was recorded."""
    intents, confirmed, calls = stage.connection.execute(_PUSHED, (stage.tenant,)).fetchone() or (0, 0, 0)
    console.print(
        f"  {story.posted:,} deliveries in {story.requests:,} requests, {story.ticks} ticks; {intents:,} deltas in "
        f"{calls:,} calls to Stripe,\n  {confirmed:,} confirmed, {applied_other_than_once} applied other than once"
    )
    spent = ", ".join(f"{what} {time:.1f} s" for what, time in story.seconds.items())
    console.print(f"  {seconds:.0f} s in all: {spent}")
    reports = stage.settings.home / "reports"
    for report in sorted(reports.glob("**/*.html")):
        console.print(f"  report: {os.path.relpath(report)} (and .csv beside it)", soft_wrap=True)
    console.print("  look around: `make demo SERVE=1`, or `tally up --demo` for this run in the Dagster UI")


def serve(console: Console, stage: Stage[Side]) -> None:
    """Start Dagster's webserver and daemon beside the door and the local Stripe, until Ctrl-C."""
    settings = stage.settings
    console.print("starting the Dagster UI, about 20 seconds ...")
    stage.stack.start(
        Service(
            "dagster-webserver",
            dagster_command(settings, "webserver"),
            f"http://{settings.dagster_host}:{settings.dagster_port}/server_info",
        ),
        Service("dagster-daemon", dagster_command(settings, "daemon")),
        pages_service(settings),
    )
    print_addresses(settings)
    stage.stack.watch()
