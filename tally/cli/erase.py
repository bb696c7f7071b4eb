"""`tally erase`: forget a customer; what would go and what stays first, then the erasure."""

import shlex
from typing import Annotated, Any

import psycopg
import typer

from tally import erasure
from tally.cli.adjustments import ByOption
from tally.cli.output import JsonFlag, TenantOption, console, print_json, print_table
from tally.cli.session import opened, tenant_meant
from tally.clock import clock_for
from tally.erasure import Erased, ErasureRefused, Person, Shown
from tally.settings import load_settings

_STAYS = (
    ("quantities, times, metrics, periods, amounts", "what was billed, and the proof of it"),
    ("idempotency keys", "a retry of an erased event must stay a repeat; keys are the tenant's own, and name nobody"),
    ("payload hashes, fingerprints, identifiers", "invoices were proven by them; they cannot be worked out again"),
    (
        "a property that a meter bills or filters by",
        "numbers, and values that its filter lists; others get a pseudonym",
    ),
    ("Stripe's ids", "what was sent is found there by them"),
)


def erase(
    by: ByOption,
    customer: Annotated[str | None, typer.Argument(help="customer_ref of whom to forget.")] = None,
    reason: Annotated[str, typer.Option(help="Why, for the record; names nobody.")] = "",
    repeats: Annotated[
        bool, typer.Option("--repeats", help="Erase what was sent again of events erased before; names nobody.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be erased.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    shown: Annotated[str | None, typer.Option("--hash", help="Erase what was shown under this hash.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Also while something is open or unsettled.")] = False,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Forget a customer: a random pseudonym takes their place, totals and proofs stay. There is no way back."""
    if (customer is None) != repeats:
        raise typer.BadParameter("name a customer, or say --repeats")
    settings = load_settings()
    with opened() as connection:
        tenant_id = tenant_meant(connection, tenant)
        if customer is None:
            _erase_repeats(connection, tenant_id, dry_run, as_json)
            return
        person = Person(tenant_id, customer)
        clock = clock_for(settings, connection)
        found = erasure.show(connection, person, clock.now(), settings.home)
        if not as_json:
            _print(found)
        if dry_run or not found.rows:
            _end(found, None, as_json)
            return
        _require_agreed(found, shown, force)
        if not yes and shown is None:
            typer.confirm("Erase this for good?", abort=True, err=True)
        done = erasure.erase(connection, person, by, reason, clock.now(), forced=force)
        erasure.erase_repeats(connection, tenant_id)
    _end(found, done, as_json)


def _erase_repeats(connection: psycopg.Connection[Any], tenant_id: str, dry_run: bool, as_json: bool) -> None:
    with connection.transaction(force_rollback=dry_run):
        rows = erasure.erase_repeats(connection, tenant_id)
    if as_json:
        print_json({"tenant_id": tenant_id, "repeats": rows, "dry_run": dry_run})
    else:
        console.print(f"{rows:,} repeats of erased events {'would be' if dry_run else 'were'} erased")


def _require_agreed(found: Shown, shown: str | None, force: bool) -> None:
    waits = found.standing
    if waits.in_flight:
        raise ErasureRefused(f"first let it arrive: {_counted(waits.in_flight)}")
    if waits.open_ and not force:
        raise ErasureRefused(f"not over yet: {_counted(waits.open_)}. Settle it first, or say --force")
    if shown is not None and shown != found.hash:
        raise ErasureRefused(f"what would be erased is not what was shown under {shown[:12]}…: look again, it is above")


def _counted(reasons: dict[str, int]) -> str:
    return "; ".join(f"{count:,} {what}" for what, count in reasons.items())


def _print(found: Shown) -> None:
    if not found.rows:
        console.print(f"nothing of customer {found.customer_ref!r} is in the database", markup=False)
    rows = [(each.relation, each.kind, each.rows, ", ".join(each.columns)) for each in found.rows]
    print_table(f"To erase of {found.customer_ref}", ["table", "what", "rows", "columns"], rows)
    print_table("Stays", ["what", "why"], _STAYS)
    if found.mentions:
        named = [(each.relation, each.column, each.rows, each.why) for each in found.mentions]
        print_table("Holds the name and stays", ["table", "column", "rows", "why"], named)
    outside = [
        (f"Stripe, {each.account}, {'live' if each.livemode else 'test'}", f"{each.kind} {each.object_id}")
        for each in found.outside.stripe
    ]
    outside += [("file", str(file)) for file in found.outside.files]
    outside += [("imported file and its rejects", name) for name in found.outside.imported]
    outside += [
        ("backups", "every one written until now: a restored one brings the customer back, erase again"),
        ("configuration", "a `customers` entry of the applied file would be declared anew"),
        ("logs, exports, mails", "wherever they are kept"),
    ]
    print_table("Outside, for you to erase: docs/runbooks/erasure.md", ["where", "what"], outside)
    for what, reasons in (("on its way", found.standing.in_flight), ("not over", found.standing.open_)):
        for reason, count in reasons.items():
            console.print(f"[yellow]{what}:[/yellow] {count:,} {reason}")


def _end(found: Shown, done: Erased | None, as_json: bool) -> None:
    if as_json:
        print_json({**vars(found), "hash": found.hash, "stays": dict(_STAYS), "erased": done})
    elif done is not None:
        rows = sum(done.rows.values())
        console.print(
            f"erased: {rows:,} rows of {len(done.rows)} tables, now under {done.pseudonym} ({done.erasure_id})",
            markup=False,
        )
        for each in done.mentions:
            console.print(f"still named in {each.relation}.{each.column}, {each.rows:,} rows: {each.why}", markup=False)
    elif found.rows:
        command = shlex.join(["tally", "erase", found.customer_ref, "--tenant", found.tenant_id, "--hash", found.hash])
        console.print(f"nothing was changed; to erase exactly this: {command} --reason …", markup=False, soft_wrap=True)
