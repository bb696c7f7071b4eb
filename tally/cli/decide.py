"""`tally decide`: a person settles a push intent that evidence could not."""

from typing import Annotated
from uuid import UUID

import typer

from tally.cli.output import JsonFlag, TenantOption, console, print_json
from tally.cli.session import opened, tenant_meant
from tally.push import decide as decide_intent


def decide(
    intent: Annotated[UUID, typer.Argument(help="intent_id, as in tally.push_intents")],
    arrived: Annotated[bool, typer.Option("--arrived/--never-arrived", help="Whether Stripe has it.", prompt=True)],
    reason: Annotated[str, typer.Option(help="Who decided, and on what evidence.", prompt=True)],
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Settle a disputed or resolving intent by hand. What never arrived goes back into the next delta."""
    with opened() as connection:
        decide_intent(connection, tenant_meant(connection, tenant), intent, arrived, reason)
    state = "confirmed" if arrived else "missing"
    if as_json:
        print_json({"intent_id": str(intent), "state": state})
    else:
        console.print(f"{intent} is {state}")
