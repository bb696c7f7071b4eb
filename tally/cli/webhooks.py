"""`tally webhooks`: what Stripe told us, what became of it, and taking up again what failed."""

from typing import Annotated

import typer
from rich.markup import escape

from tally import webhooks
from tally.cli.output import JsonFlag, console, print_json, print_table
from tally.cli.session import opened
from tally.clock import clock_for
from tally.settings import load_settings
from tally.webhooks import AccountHandled, Webhook

app = typer.Typer(no_args_is_help=True, help="List what Stripe told us by webhook, look at it, handle it.")

STATES = ("received", "handled", "failed", "ignored")
EventArgument = Annotated[str, typer.Argument(help="The event's id, evt_...")]


@app.command("list")
def list_(
    state: Annotated[str | None, typer.Option(help=f"Only these: {', '.join(STATES)}.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="How the type begins, e.g. invoice.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, newest first.")] = 50,
    as_json: JsonFlag = False,
) -> None:
    """List received webhooks, newest first."""
    if state is not None and state not in STATES:
        raise typer.BadParameter(f"{state!r} is none of {', '.join(STATES)}", param_hint="--state")
    with opened() as connection:
        found = webhooks.list_webhooks(connection, state, type_, limit)
    if as_json:
        print_json(found)
        return
    rows = [(row.received_at, f"{row.account} {row.mode}", row.type, row.event_id, row.state) for row in found]
    print_table("Webhooks", ["received", "account", "type", "event", "state"], rows)


@app.command()
def show(event: EventArgument, as_json: JsonFlag = False) -> None:
    """Show one webhook; of an error report also what it made of the push ledger."""
    with opened() as connection:
        webhook, reports = webhooks.show(connection, event)
    if as_json:
        print_json({**vars(webhook), "reports": reports})
        return
    print_table(escape(event), ["", "value"], [(name, value) for name, value in _shown(webhook).items()])
    if reports:
        columns = ["tenant", "code", "meter", "errors", "named", "rejected", "in doubt", "message"]
        fields = ("tenant_id", "code", "event_name", "error_count", "sampled", "rejected", "questioned", "message")
        print_table("Dropped by Stripe", columns, [[row[field] for field in fields] for row in reports])


@app.command()
def handle(as_json: JsonFlag = False) -> None:
    """Handle what was received: read each object from Stripe anew. Exits 1 when something could not be handled.

    Reports of dropped meter events that no webhook brought are looked for first.
    """
    settings = load_settings()
    with opened() as connection, console.status("handling webhooks ..."):
        handled = webhooks.handle_all(settings, connection, clock_for(settings, connection))
    wrong = [sentence for account in handled for sentence in account.wrong]
    if as_json:
        print_json(handled)
    else:
        for account in handled:
            console.print(_summary(account), markup=False)
        for sentence in wrong:
            console.print(f"[red]wrong:[/red] {escape(sentence)}")
        if not handled:
            console.print("no metric is sent to Stripe: give a meter a `stripe` event_name and `tally apply`")
    raise typer.Exit(1 if wrong else 0)


@app.command()
def retry(
    events: Annotated[list[str] | None, typer.Argument(help="Event ids, failed or ignored")] = None,
    all_failed: Annotated[bool, typer.Option("--all-failed", help="Every webhook that failed.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Let `tally webhooks handle` take up again what failed or was ignored."""
    if not events and not all_failed:
        raise typer.BadParameter("name events, or give --all-failed")
    with opened() as connection:
        number = webhooks.retry(connection, events or [], all_failed=all_failed)
    if as_json:
        print_json({"retried": number})
    else:
        console.print(f"{number} webhooks are received again: `tally webhooks handle`, or the next run, takes them up")


def _shown(webhook: Webhook) -> dict[str, object]:
    hidden = {"livemode": "mode"}
    return {hidden.get(name, name): webhook.mode if name in hidden else value for name, value in vars(webhook).items()}


def _summary(account: AccountHandled) -> str:
    if account.result is None:
        return f"{account.account}: not handled"
    ended = ", ".join(f"{number} {state}" for state, number in sorted(account.result.ended.items())) or "nothing ended"
    left = f"; {account.result.waiting} are still open" if account.result.waiting else ""
    return f"{account.account}, {account.mode} mode: {ended}{left}"
