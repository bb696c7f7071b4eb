"""From a counter that its final invoice does not bill as counted to a rest: priced, linked to its events, proposed."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import psycopg
import stripe
from psycopg.types.json import Jsonb

from tally.clock import Clock
from tally.closing.amounts import Settled, credited_lines, due, require_known_price
from tally.closing.errors import Unpriceable
from tally.closing.invoice import FinalInvoice, read_final
from tally.closing.moved import Moved, Waiting, moved_counters, waits
from tally.closing.next_invoice import has_next_invoice
from tally.closing.rest import Kind, lock_rests
from tally.closing.statements import statement
from tally.pricing import Price, PricingError, price_from_stripe
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


def propose(
    connection: psycopg.Connection[Any], account: StripeAccount, tenant_id: str, clock: Clock, *, dry_run: bool = False
) -> tuple[list[Proposal], list[Waiting]]:
    """Write a rest for every counter that can be settled, one transaction each; what waits is said with the reason.

    Idempotent, and safe beside itself: a counter has one open rest, and a proposed one follows its counter.
    """
    ready, waiting = moved_counters(connection, tenant_id, account.account, account.livemode, clock)
    proposals = []
    for counter in ready:
        if counter.target == counter.settled_to:
            if not dry_run:
                _withdraw(connection, counter)
            continue
        if counter.is_proposed_as_is:
            continue
        try:
            proposal = _priced(account, counter)
        except (Unpriceable, PricingError) as error:
            waiting.append(waits(counter, "unpriceable", str(error)))
            continue
        except stripe.StripeError as error:
            waiting.append(waits(counter, "unread", str(error.user_message or error)))
            continue
        written = proposal if dry_run else _write(connection, account, tenant_id, proposal, clock.now())
        if written is not None:
            proposals.append(written)
    return proposals, waiting


def _priced(account: StripeAccount, counter: Moved) -> Proposal:
    invoice = read_final(account, counter.invoice_id, frozenset(counter.invoice_line_ids))
    quantity = sum((line.quantity for line in invoice.lines), Decimal(0))
    if quantity != counter.invoice_quantity:
        raise Unpriceable(f"invoice {invoice.invoice_id} bills {quantity:f} now, {counter.invoice_quantity:f} was read")
    price = _price(account, invoice)
    require_known_price(price, invoice)
    settled = Settled(counter.billed, counter.waived, counter.kept)
    amount = due(price, counter.invoice_quantity, settled, counter.target)
    kind, lines, note = _instrument(account, invoice, counter, amount)
    return Proposal(
        counter, kind, amount, invoice.currency, str(price.id), invoice.stripe_customer_id, invoice.subscription_id,
        tuple(lines), note,
    )  # fmt: skip


def _price(account: StripeAccount, invoice: FinalInvoice) -> Price:
    prices = {line.price_id for line in invoice.lines}
    if len(prices) != 1 or "" in prices:
        raise Unpriceable(
            f"invoice {invoice.invoice_id} bills it under {len(prices)} prices: {', '.join(sorted(prices))}"
        )
    account.reads.wait()
    return price_from_stripe(account.client.v1.prices.retrieve(prices.pop(), {"expand": ["tiers"]}, account.options()))


def _instrument(
    account: StripeAccount, invoice: FinalInvoice, counter: Moved, amount: int
) -> tuple[Kind, list[dict[str, Any]], str]:
    """How the amount reaches the customer: by policy, or by what is left where that cannot be."""
    if amount == 0:
        return "nothing", [], "no money moves"
    if amount > 0:
        if counter.late_usage == "write_off":
            return "write_off", [], ""
        if not has_next_invoice(account, invoice.subscription_id):
            return "write_off", [], "its subscription has ended: no invoice will bill it; by hand, or not at all"
        return "invoice_item", [], ""
    if counter.overbilled_usage == "credit_note":
        lines = credited_lines(invoice.lines, counter.settled_to - counter.target, -amount)
        if lines is not None:
            return "credit_note", lines, ""
        return "credit_grant", [], "more than the invoice's lines still bear"
    return "credit_grant", [], ""


def _write(
    connection: psycopg.Connection[Any], account: StripeAccount, tenant_id: str, proposal: Proposal, now: datetime
) -> Proposal | None:
    """None when somebody else settled the counter meanwhile."""
    counter = proposal.counter
    seq = counter.last_seq + (0 if counter.proposed_id else 1)
    rest_id = counter.proposed_id or _rest_id(tenant_id, account, counter, seq)
    is_free = proposal.kind == "nothing"
    by_policy = counter.closing_approval == "policy" and proposal.kind != "write_off" and not proposal.note
    decided = is_free or by_policy
    row = {
        "rest_id": rest_id,
        "tenant_id": tenant_id,
        "account": account.account,
        "livemode": account.livemode,
        "customer_ref": counter.customer_ref,
        "metric": counter.metric,
        "period_start": counter.period_start,
        "period_end": counter.period_end,
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
        "state": "done" if is_free else "approved" if by_policy else "proposed",
        "now": now,
        "decided_at": now if decided else None,
        "decided_by": POLICY if decided else None,
        "done_at": now if is_free else None,
        "done_by": "decision" if is_free else None,
    }
    with connection.transaction():
        lock_rests(connection, tenant_id)
        written = connection.execute(statement("write_rest.sql"), row).fetchone()
        if written is None:
            return None
        connection.execute("delete from tally.closing_rest_events where rest_id = %s", (rest_id,))
        connection.execute(statement("link_events.sql"), row)
    return replace(proposal, rest_id=rest_id, approved=decided)


def _rest_id(tenant_id: str, account: StripeAccount, counter: Moved, seq: int) -> str:
    """The same step of the same counter has the same id, also in a database that was restored: its mark is found."""
    words = (tenant_id, account.account, account.mode, counter.customer_ref, counter.metric,
             counter.period_start.astimezone(UTC).isoformat(), str(seq))  # fmt: skip
    return str(uuid5(_NAMESPACE, "\x1f".join(words)))


def _withdraw(connection: psycopg.Connection[Any], counter: Moved) -> None:
    connection.execute(
        "update tally.closing_rests set state = 'withdrawn', last_error = 'the counter came back before it was decided'"
        " where rest_id = %s and state = 'proposed'",
        (counter.proposed_id,),
    )
