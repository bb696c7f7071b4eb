"""A rest as it is written down: what it is, who has decided it, and the events that it stands for."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID, uuid5

import psycopg
from psycopg.types.json import Jsonb

from tally.closing.moved import Moved
from tally.closing.rest import Kind, State, lock_rests
from tally.closing.statements import statement
from tally.stripe.account import StripeAccount

# Who decides where a setting has decided beforehand.
POLICY = "tally"
_NAMESPACE = UUID("5c0b1c5e-2f0e-5d1b-9a54-6f6f1d7a2b11")


@dataclass(frozen=True)
class Proposal:
    """What a counter's rest would be, or is since just now (`rest_id`). Amounts as in `tally.closing.rest.Rest`."""

    counter: Moved
    kind: Kind
    amount_minor: int
    currency: str
    price_id: str
    stripe_customer_id: str
    subscription_id: str
    credited_lines: tuple[dict[str, Any], ...]
    note: str
    rest_id: str | None = None
    approved: bool = False


@dataclass(frozen=True)
class Decision:
    """What becomes of a rest as it is written: by whom (None: nobody yet), when, and who named its amount."""

    state: State
    by: str | None
    at: datetime
    note: str = ""
    amount_by: Literal["price", "person"] = "price"


def by_policy(proposal: Proposal, now: datetime) -> Decision:
    """Who decides: nobody has to where no money moves, or where the settings let what they name go by itself."""
    if proposal.kind == "nothing":
        return Decision("done", POLICY, now)
    goes_by_itself = proposal.counter.closing_approval == "policy" and proposal.kind != "write_off"
    return (
        Decision("approved", POLICY, now) if goes_by_itself and not proposal.note else Decision("proposed", None, now)
    )


def write(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    tenant_id: str,
    proposal: Proposal,
    decision: Decision,
) -> Proposal | None:
    """The rest as it was decided, with its events; None: somebody else settled the counter meanwhile."""
    counter = proposal.counter
    seq = counter.last_seq + (0 if counter.proposed_id else 1)
    rest_id = counter.proposed_id or _rest_id(tenant_id, account, counter, seq)
    is_decided, is_done = decision.state != "proposed", decision.state == "done"
    row = {
        "rest_id": rest_id,
        "tenant_id": tenant_id,
        "account": account.account,
        "livemode": account.livemode,
        "customer_ref": counter.customer_ref,
        "metric": counter.metric,
        "period_start": counter.period_start,
        "period_end": counter.period_end,
        "segments": list(counter.segments),
        "seq": seq,
        "from_quantity": counter.settled_to,
        "to_quantity": counter.target,
        "kind": proposal.kind,
        "amount_minor": proposal.amount_minor,
        "currency": proposal.currency,
        "price_id": proposal.price_id,
        "invoice_id": counter.invoice_id,
        "invoice_line_ids": list(counter.invoice_line_ids),
        "stripe_customer_id": proposal.stripe_customer_id,
        "subscription_id": proposal.subscription_id,
        "credited_lines": Jsonb(list(proposal.credited_lines)),
        "note": proposal.note,
        "basis": counter.basis,
        "amount_by": decision.amount_by,
        "state": decision.state,
        "now": decision.at,
        "decided_at": decision.at if is_decided else None,
        "decided_by": decision.by,
        "decision_note": decision.note,
        "done_at": decision.at if is_done else None,
        "done_by": "decision" if is_done else None,
    }
    with connection.transaction():
        lock_rests(connection, tenant_id)
        written = connection.execute(statement("write_rest.sql"), row).fetchone()
        if written is None:
            return None
        connection.execute("delete from tally.closing_rest_events where rest_id = %s", (rest_id,))
        connection.execute(statement("link_events.sql"), row)
    return replace(proposal, rest_id=rest_id, approved=is_decided)


def _rest_id(tenant_id: str, account: StripeAccount, counter: Moved, seq: int) -> str:
    """The same step of the same counter has the same id, also in a database that was restored: its mark is found."""
    words = (tenant_id, account.account, account.mode, counter.customer_ref, counter.metric,
             counter.period_start.astimezone(UTC).isoformat(), str(seq))  # fmt: skip
    return str(uuid5(_NAMESPACE, "\x1f".join(words)))
