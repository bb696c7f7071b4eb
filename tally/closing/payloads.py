"""What Stripe is sent for a rest. Made with the first attempt, and kept: a key of ours never comes with another."""

from decimal import Decimal
from typing import Any

from tally.closing.errors import ClosingRefused
from tally.closing.invoice import REST_MARK, read_draft
from tally.closing.next_invoice import read_subscription
from tally.closing.rest import Rest
from tally.stripe.account import StripeAccount

_DAY = "%Y-%m-%d"


def payload_of(account: StripeAccount, rest: Rest) -> dict[str, Any]:
    """The parameters of the call that bills or credits the rest, as Stripe stands now.

    Raises:
        ClosingRefused: nobody would be billed by it, or the invoice takes no credit note any more.
        stripe.StripeError: Stripe could not be read.
    """
    mark = {REST_MARK: rest.rest_id, "tally_metric": rest.metric, "tally_invoice": rest.invoice_id}
    if rest.kind == "invoice_item":
        return _invoice_item(account, rest, mark)
    if rest.kind == "credit_note":
        return _credit_note(account, rest, mark)
    invoice = read_draft(account, rest.invoice_id)
    if rest.basis != "void" and (invoice is None or invoice.status == "void"):
        raise ClosingRefused(
            f"invoice {rest.invoice_id} was voided since: nothing is given back of what it never billed"
        )
    return {
        "customer": rest.stripe_customer_id,
        "name": _text(rest)[:100],
        "amount": {"type": "monetary", "monetary": {"currency": rest.currency, "value": -rest.amount_minor}},
        "applicability_config": {"scope": {"price_type": "metered"}},
        "category": "promotional",
        "metadata": mark,
    }


def _invoice_item(account: StripeAccount, rest: Rest, mark: dict[str, str]) -> dict[str, Any]:
    if not read_subscription(account, rest.subscription_id).is_billed_again:
        raise ClosingRefused(f"subscription {rest.subscription_id} has ended: no invoice would ever bill an item of it")
    if rest.basis == "void":
        voided = read_draft(account, rest.invoice_id)
        if voided is not None and voided.revised_as is not None:
            raise ClosingRefused(
                f"invoice {rest.invoice_id} was revised as {voided.revised_as}, which bills it: reject it"
            )
    return {
        "customer": rest.stripe_customer_id,
        "subscription": rest.subscription_id,
        "amount": rest.amount_minor,
        "currency": rest.currency,
        "description": _text(rest),
        "period": {"start": int(rest.period_start.timestamp()), "end": int(rest.period_end.timestamp())},
        "metadata": mark,
    }


def _credit_note(account: StripeAccount, rest: Rest, mark: dict[str, str]) -> dict[str, Any]:
    invoice = read_draft(account, rest.invoice_id)
    if invoice is None or invoice.status not in ("open", "paid"):
        status = invoice.status if invoice else "deleted"
        raise ClosingRefused(f"invoice {rest.invoice_id} is {status}: a credit note needs an open or paid one")
    payload: dict[str, Any] = {
        "invoice": rest.invoice_id,
        "lines": list(rest.credited_lines),
        "memo": _text(rest),
        "metadata": mark,
    }
    if invoice.status == "paid":
        # What was paid goes to the customer's balance, from which the next invoice is paid first.
        payload["credit_amount"] = -rest.amount_minor
    return payload


def _text(rest: Rest) -> str:
    """For the customer, on the invoice or the credit note."""
    late = "Usage of a voided invoice" if rest.basis == "void" else "Late usage"
    what = late if rest.amount_minor > 0 else "Usage billed too much"
    span = f"{rest.period_start.strftime(_DAY)} to {rest.period_end.strftime(_DAY)}"
    return f"{what}: {_plain(abs(rest.quantity))} {rest.metric}, {span}"


def _plain(quantity: Decimal) -> str:
    text = f"{quantity:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
