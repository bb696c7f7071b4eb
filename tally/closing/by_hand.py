"""What no price explains: a person names the amount, and it goes the way of every other rest, once."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg

from tally.adjustments.people import require_person
from tally.clock import Clock
from tally.closing.amounts import credited_lines
from tally.closing.errors import ClosingRefused
from tally.closing.invoice import FinalInvoice, read_final
from tally.closing.moved import REASONS, Moved, moved_counter
from tally.closing.rest import Kind, Rest, State, read
from tally.closing.writing import Decision, Proposal, write
from tally.pricing import currency_of
from tally.stripe.account import StripeAccount

# Why a counter may be settled by a named amount; whatever else keeps it waiting has to be mended first.
NAMEABLE = frozenset({None, "segmented"})
_OWED: tuple[Kind, ...] = ("invoice_item", "write_off")
_GIVEN_BACK: tuple[Kind, ...] = ("credit_note", "credit_grant")


def settle_by_hand(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    tenant_id: str,
    counter: tuple[str, str, datetime],
    amount: Decimal,
    by: str,
    clock: Clock,
    *,
    kind: Kind | None = None,
    note: str = "",
) -> Rest:
    """Settle the counter of (customer_ref, metric, period_start) by `amount`, in the invoice's currency, major units.

    Positive: an invoice item or a write-off; negative: a credit note or grant; 0: nothing, or settled elsewhere. What
    is counted later is worked out from there on.

    Raises:
        AdjustmentRefused: `by` is nobody's name.
        ClosingRefused: the counter needs no amount, something else comes first, or the way does not fit.
        stripe.StripeError: Stripe could not be read.
    """
    require_person(by)
    found = moved_counter(connection, tenant_id, account.account, account.livemode, clock, counter)
    named = f"{counter[0]} {counter[1]} from {counter[2]:%Y-%m-%dT%H:%M:%SZ}"
    if found is None or found.target == found.settled_to:
        raise ClosingRefused(f"{named} is settled as it is counted: there is nothing to name an amount for")
    if found.proposed_id is not None:
        raise ClosingRefused(f"{named} has a proposed rest, {found.proposed_id}: `tally close approve` or `reject` it")
    if found.reason not in NAMEABLE:
        assert found.reason is not None
        raise ClosingRefused(f"{named}: {REASONS[found.reason]}")
    invoice = read_final(account, found.invoice_id, frozenset(found.invoice_line_ids))
    proposal = _named(found, invoice, amount, kind, note)
    state: State = "done" if proposal.kind in ("nothing", "write_off") else "approved"
    written = write(connection, account, tenant_id, proposal, Decision(state, by, clock.now(), note, "person"))
    if written is None or written.rest_id is None:
        raise ClosingRefused(f"{named} was settled by somebody else just now: `tally close list`")
    return read(connection, tenant_id, written.rest_id)


def _named(counter: Moved, invoice: FinalInvoice, amount: Decimal, kind: Kind | None, note: str) -> Proposal:
    minor = currency_of(invoice.currency).minor(amount)
    if minor != minor.to_integral_value():
        raise ClosingRefused(f"amount: {amount} {invoice.currency} has a fraction of a cent that nobody can be billed")
    way = _way(kind, int(minor))
    if invoice.basis != counter.basis:
        raise ClosingRefused(f"invoice {invoice.invoice_id} is {invoice.status} now: `tally reconcile`, then again")
    if minor < 0 and invoice.basis == "void":
        raise ClosingRefused(f"invoice {invoice.invoice_id} was voided: nothing is given back of what it never billed")
    lines = credited_lines(invoice.lines, Decimal(0), -int(minor)) if way == "credit_note" else []
    if lines is None:
        raise ClosingRefused(f"as: invoice {invoice.invoice_id} has no lines left that bear {-amount}: credit_grant")
    price_ids = ", ".join(sorted({line.price_id for line in invoice.lines}))
    return Proposal(
        counter, way, int(minor), invoice.currency, price_ids, invoice.stripe_customer_id, invoice.subscription_id,
        tuple(lines), note,
    )  # fmt: skip


def _way(kind: Kind | None, minor: int) -> Kind:
    if minor == 0 and kind is None:
        return "nothing"
    allowed = _OWED if minor > 0 else _GIVEN_BACK if minor < 0 else ()
    way = kind or (allowed[0] if allowed else None)
    if way is None or way not in allowed:
        fit = " or ".join(allowed) or "nothing"
        raise ClosingRefused(f"as: {kind} does not fit an amount of {minor} minor units: {fit}")
    return way
