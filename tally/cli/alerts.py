"""`tally alerts`: what is wrong as alerts: look, take one on, put it off, end it, and try the channels."""

from datetime import datetime, timedelta
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError
from rich.markup import escape

from tally import alerts
from tally.alerts import Alert, Evaluation
from tally.cli.adjustments import ByOption, DryRun
from tally.cli.output import JsonFlag, TenantOption, console, print_json, print_table
from tally.cli.session import opened, tenant_meant
from tally.clock import clock_for
from tally.declared_values import Duration
from tally.errors import DatabaseUnavailable
from tally.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="List alerts, take them on, put them off, end them; try the channels.")

NumberArgument = Annotated[int, typer.Argument(help="The alert's number, as `tally alerts list` shows it.")]
NoteOption = Annotated[str, typer.Option("--note", help="For whoever reads the history.")]
_NOBODY = "nobody is told: no channel is set up (TALLY_ALERT_SLACK_URL, _WEBHOOK_URL or _EMAIL_TO, docs/alerts.md)"


@app.command("list")
def list_(
    state: Annotated[str | None, typer.Option(help=f"Only these: {', '.join(alerts.STATES)}.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Those that are over too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, newest first.")] = 100,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List open alerts, newest first; the tenant * is the whole installation. As last evaluated."""
    if state is not None and state not in alerts.STATES:
        raise typer.BadParameter(f"{state!r} is none of {', '.join(alerts.STATES)}", param_hint="--state")
    with opened() as connection:
        tenant_id = tenant_meant(connection, tenant) if tenant is not None else None
        found = alerts.list_alerts(
            connection, tenant_id=tenant_id, state=state, open_only=not all_ and state is None, limit=limit
        )
    if as_json:
        print_json(found)
    else:
        _print_alerts("Alerts", found)


@app.command()
def show(number: NumberArgument, as_json: JsonFlag = False) -> None:
    """Show one alert, its history, and whom it was told."""
    with opened() as connection:
        alert = alerts.alert_of(connection, number)
        history, deliveries = alerts.history_of(connection, alert)
    if as_json:
        print_json({**vars(alert), "history": history, "deliveries": deliveries})
        return
    print_table(f"Alert {number}", ["", "value"], [(name, _text(value)) for name, value in vars(alert).items()])
    steps = [(row.at, row.event, _text(row.actor), _text(row.note)) for row in history]
    print_table("History", ["at", "what", "by", "note"], steps)
    told = [
        (row.planned_at, row.channel, row.notice, row.state, row.attempts, row.sent_at, _text(row.error))
        for row in deliveries
    ]
    print_table("Messages", ["planned", "channel", "notice", "state", "attempts", "sent", "last error"], told)


@app.command()
def ack(number: NumberArgument, by: ByOption, note: NoteOption = "", as_json: JsonFlag = False) -> None:
    """Take an alert on: no more reminders. It ends when it is not found any more."""
    with opened() as connection:
        now = clock_for(load_settings(), connection).now()
        _print_changed(alerts.acknowledge(connection, number, by, now, note), as_json)


@app.command()
def snooze(
    number: NumberArgument,
    span: Annotated[str, typer.Argument(metavar="FOR", help="How long: 30m, 2h or 1d.")],
    by: ByOption,
    note: NoteOption = "",
    as_json: JsonFlag = False,
) -> None:
    """Put an alert off: nothing is told until then, and if it is still wrong it is told again."""
    try:
        length: timedelta = TypeAdapter(Duration).validate_python(span)
    except ValidationError:
        raise typer.BadParameter(f"{span!r}: give a duration such as 30m, 2h or 1d", param_hint="FOR") from None
    with opened() as connection:
        now = clock_for(load_settings(), connection).now()
        _print_changed(alerts.snooze(connection, number, by, now, length, note), as_json)


@app.command()
def resolve(number: NumberArgument, by: ByOption, note: NoteOption = "", as_json: JsonFlag = False) -> None:
    """Say that an alert is over. Found again after the cooldown, it is a new one."""
    with opened() as connection:
        now = clock_for(load_settings(), connection).now()
        _print_changed(alerts.resolve(connection, number, by, now, note), as_json)


@app.command()
def evaluate(dry_run: DryRun = False, as_json: JsonFlag = False) -> None:
    """Look at everything now, record what begins and ends, send what is due. Exits 1 when an alert is open.

    Where Postgres does not answer, the channels are told that at once. Failed runs and checks are Dagster's to look at.
    """
    settings = load_settings()
    try:
        with opened() as connection:
            clock = clock_for(settings, connection)
            if dry_run:
                found = dict.fromkeys(
                    (alerts.INSTALLATION if finding.is_global else tenant_id, finding)
                    for tenant_id, finding in alerts.look(connection, settings, clock)
                )
            else:
                done = alerts.evaluate(connection, settings, clock)
    except DatabaseUnavailable as error:
        for fault in () if dry_run else alerts.tell_of_outage(settings, str(error)):
            console.print(f"[red]not told:[/red] {escape(fault)}")
        raise
    if dry_run:
        _print_found(list(found), as_json)
    else:
        _print_evaluation(done, as_json)
    raise typer.Exit(1 if (found if dry_run else done.open) else 0)


@app.command("test")
def try_(as_json: JsonFlag = False) -> None:
    """Send a test message through every channel that is set up, and say what came of each. Exits 1 when one fails."""
    tried = alerts.try_channels(load_settings())
    if as_json:
        print_json(tried)
    else:
        for trial in tried:
            said = "[green]taken[/green]" if trial.fault is None else f"[red]failed:[/red] {escape(trial.fault)}"
            console.print(f"{trial.channel}: {said}")
        if not tried:
            console.print(_NOBODY)
    raise typer.Exit(1 if not tried or any(trial.fault for trial in tried) else 0)


@app.command()
def rules(tenant: TenantOption = None, as_json: JsonFlag = False) -> None:
    """List the rules about customers' usage: `alerts` in the file that `tally apply` reads."""
    with opened() as connection:
        found = alerts.list_rules(connection, tenant_meant(connection, tenant), with_inactive=True)
    if as_json:
        print_json(found)
        return
    rows = [
        (rule.name, rule.kind, rule.metric, rule.customer_ref or "each", _limits(vars(rule)), rule.active)
        for rule in found
    ]
    print_table("Usage alerts", ["name", "kind", "metric", "customer", "when", "active"], rows)


def _limits(rule: dict[str, Any]) -> str:
    limits = ("quantity", "amount", "currency", "steps", "factor", "minimum", "days")
    return ", ".join(f"{name} {rule[name]}" for name in limits if rule[name] is not None)


def _print_alerts(title: str, found: list[Alert]) -> None:
    rows = [
        (row.alert_id, row.tenant_id, row.kind, _text(row.subject), row.state, row.triggered_at, _text(row.sentence))
        for row in found
    ]
    print_table(title, ["number", "tenant", "kind", "of", "state", "since", "what"], rows)


def _print_changed(alert: Alert, as_json: bool) -> None:
    if as_json:
        print_json(alert)
        return
    until = f" until {alert.snoozed_until:%Y-%m-%d %H:%M:%S}Z" if alert.snoozed_until else ""
    console.print(f"alert {alert.alert_id} ({alert.kind}) is {alert.state}{until}", markup=False)


def _print_found(found: list[tuple[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json({"dry_run": True, "found": [{"tenant_id": tenant, **vars(finding)} for tenant, finding in found]})
        return
    rows = [(tenant, each.kind, _text(each.subject), _text(each.sentence)) for tenant, each in found]
    print_table("Wrong now", ["tenant", "kind", "of", "what"], rows)
    console.print("dry run: nothing recorded, nobody told")


def _print_evaluation(done: Evaluation, as_json: bool) -> None:
    if as_json:
        print_json({"dry_run": False, **vars(done)})
        return
    if done.is_busy:
        console.print("another process evaluates right now: nothing done here")
        return
    _print_alerts("Open alerts", list(done.open))
    console.print(f"{len(done.triggered)} began, {len(done.resolved)} ended; {done.sent} messages sent", markup=False)
    for reason in done.reasons:
        console.print(f"[red]not told:[/red] {escape(reason)}")
    if done.waiting:
        console.print(f"{done.waiting} messages wait for another attempt")
    if done.nobody_is_told:
        console.print(_NOBODY)


def _text(value: Any) -> Any:
    """Escaped for the table; times and None are left to it."""
    return value if value is None or isinstance(value, datetime) else escape(str(value))
