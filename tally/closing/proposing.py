"""From a counter that its final invoice does not bill as counted to a rest: priced, linked to its events, proposed."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import psycopg
import stripe

from tally.clock import Clock
from tally.closing.amounts import Settled
from tally.closing.billed_items import BilledItem, billed_items, due, lines_to_credit, require_known_prices
from tally.closing.errors import Outdated, Unpriceable
from tally.closing.invoice import FinalInvoice, read_final
from tally.closing.moved import Moved, Waiting, moved_counters, waits
from tally.closing.next_invoice import read_subscription
from tally.closing.ways import FREE, Way, billed_by, credited_by
from tally.closing.writing import Proposal, by_policy, write
from tally.periods import Period
from tally.pricing import Price, PricingError, price_from_stripe
from tally.stripe.account import StripeAccount


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
        except Outdated as error:
            waiting.append(waits(counter, "outdated", str(error)))
            continue
        except stripe.StripeError as error:
            waiting.append(waits(counter, "unread", str(error.user_message or error)))
            continue
        decision = by_policy(proposal, clock.now())
        written = proposal if dry_run else write(connection, account, tenant_id, proposal, decision)
        if written is not None:
            proposals.append(written)
    return proposals, waiting


def _priced(account: StripeAccount, counter: Moved) -> Proposal:
    invoice = read_final(account, counter.invoice_id, frozenset(counter.invoice_line_ids))
    if invoice.basis != counter.basis:
        raise Outdated(f"invoice {invoice.invoice_id} is {invoice.status} now, {counter.invoice_status} was read")
    if invoice.revised_as is not None:
        raise Unpriceable(f"invoice {invoice.invoice_id} was revised as {invoice.revised_as}, which bills it instead")
    subscription = read_subscription(account, invoice.subscription_id)
    items = billed_items(invoice, counter.invoice_quantity)
    price_ids = ", ".join(item.price_id for item in items)
    about = counter, invoice, price_ids
    if _is_free(counter, subscription.trial, items):
        return _proposal(*about, FREE)
    if not counter.invoice_quantity and counter.summary_quantity:
        # A trial that a later one has made Stripe forget would look like this.
        counted = f"{counter.summary_quantity:f}, which Stripe counted"
        raise Unpriceable(f"invoice {invoice.invoice_id} bills nothing of {counted}")
    prices = _prices(account, items)
    require_known_prices(items, prices, invoice.invoice_id)
    settled = Settled(counter.billed, counter.waived, counter.kept)
    invoiced = Decimal(0) if counter.basis == "void" else counter.invoice_quantity
    amount = due(items, prices, invoiced, settled, counter.target)
    if amount >= 0:
        return _proposal(*about, billed_by(counter, amount, subscription.is_billed_again))
    lines = lines_to_credit(items, prices, (counter.settled_to, counter.target), -amount)
    return _proposal(*about, credited_by(counter, amount, lines))


def _proposal(counter: Moved, invoice: FinalInvoice, price_ids: str, way: Way) -> Proposal:
    return Proposal(
        counter, way.kind, way.amount_minor, invoice.currency, price_ids, invoice.stripe_customer_id,
        invoice.subscription_id, way.credited_lines, way.note,
    )  # fmt: skip


def _is_free(counter: Moved, trial: Period | None, items: Sequence[BilledItem]) -> bool:
    """Whether the period lies in a trial, and was billed at nothing.

    Raises:
        Unpriceable: a part of it does, or it was billed although it does.
    """
    if trial is None or trial.end <= counter.period_start or trial.start >= counter.period_end:
        return False
    span = f"a trial from {trial.start:%Y-%m-%dT%H:%M:%SZ} to {trial.end:%Y-%m-%dT%H:%M:%SZ}"
    if trial.start > counter.period_start or trial.end < counter.period_end:
        raise Unpriceable(f"a part of it lies in {span}")
    if any(item.amount for item in items):
        raise Unpriceable(f"invoice {counter.invoice_id} bills it, although it lies in {span}")
    return True


def _prices(account: StripeAccount, items: Sequence[BilledItem]) -> dict[str, Price]:
    prices = {}
    for price_id in {item.price_id for item in items}:
        account.reads.wait()
        found = account.client.v1.prices.retrieve(price_id, {"expand": ["tiers"]}, account.options())
        prices[price_id] = price_from_stripe(found)
    return prices


def _withdraw(connection: psycopg.Connection[Any], counter: Moved) -> None:
    connection.execute(
        "update tally.closing_rests set state = 'withdrawn', last_error = 'the counter came back before it was decided'"
        " where rest_id = %s and state = 'proposed'",
        (counter.proposed_id,),
    )
