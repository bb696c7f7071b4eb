"""How invoices are kept, shown and made final. A draft's lines are computed at each read; finalization freezes them."""

from stripe_sandbox import events, invoice_item_lines, invoice_lines
from stripe_sandbox.ids import new_id
from stripe_sandbox.invoice_plans import Plan
from stripe_sandbox.listing import list_object
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace, public

KIND = "invoice"
EMBEDDED_LINES = 10  # an invoice shows its first lines only; the others need the lines endpoint
HOUR = 3600
DAY = 24 * HOUR


def blank(
    workspace: Workspace, invoice_id: str, subscription: Json, plan: Plan, reason: str, period: tuple[int, int], at: int
) -> Json:
    """A draft that is stored nowhere yet."""
    customer = workspace.get("customer", subscription["customer"])
    return {
        "id": invoice_id,
        "object": KIND,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_shipping": 0,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "automatically_finalizes_at": at + int(workspace.settings.finalization_grace_hours * HOUR),
        "billing_reason": reason,
        "collection_method": subscription["collection_method"],
        "created": at,
        "currency": subscription["currency"],
        "customer": subscription["customer"],
        "customer_email": customer.get("email"),
        "customer_name": customer.get("name"),
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "due_date": None,
        "issuer": {"type": "self"},
        "latest_revision": None,
        "livemode": workspace.livemode,
        "metadata": {},
        "number": None,
        "parent": {
            "type": "subscription_details",
            "quote_details": None,
            "subscription_details": {"metadata": subscription["metadata"], "subscription": subscription["id"]},
        },
        "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        "period_end": period[1],
        "period_start": period[0],
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "starting_balance": 0,
        "status": "draft",
        "status_transitions": dict.fromkeys(("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")),
        "test_clock": subscription["test_clock"],
        "_days_until_due": subscription["days_until_due"],
        "_items": invoice_item_lines.pending(workspace, subscription["customer"], subscription["id"]),
        "_plan": plan,
    }


def open_draft(
    workspace: Workspace, subscription: Json, plan: Plan, reason: str, period: tuple[int, int], at: int
) -> Json:
    invoice = blank(workspace, new_id("in"), subscription, plan, reason, period, at)
    invoice_item_lines.take_up(workspace, invoice)
    save(workspace, invoice)
    events.emit(workspace, "invoice.created", shown(workspace, invoice), at=at)
    return invoice


def save(workspace: Workspace, invoice: Json) -> None:
    waits = invoice["status"] == "draft" and invoice["auto_advance"]
    workspace.save(
        invoice,
        customer=invoice["customer"],
        test_clock=invoice["test_clock"],
        parent=invoice["parent"]["subscription_details"]["subscription"],
        due_at=invoice["automatically_finalizes_at"] if waits else None,
    )


def all_lines(workspace: Workspace, invoice: Json) -> list[Json]:
    frozen: list[Json] | None = invoice.get("_lines")
    if frozen is not None:
        return frozen
    return invoice_lines.lines(workspace, invoice, invoice["_plan"]) + invoice_item_lines.lines(workspace, invoice)


def shown(workspace: Workspace, invoice: Json) -> Json:
    lines = all_lines(workspace, invoice)
    total = sum(line["amount"] for line in lines)
    due = total - invoice["pre_payment_credit_notes_amount"]
    page = list_object(lines[:EMBEDDED_LINES], lines_url(invoice), has_more=len(lines) > EMBEDDED_LINES)
    return {
        **public(invoice),
        "amount_due": due,
        "amount_remaining": due - invoice["amount_paid"],
        "ending_balance": None if invoice["status"] == "draft" else 0,
        "lines": page,
        "subtotal": total,
        "subtotal_excluding_tax": total,
        "total": total,
        "total_excluding_tax": total,
    }


def lines_url(invoice: Json) -> str:
    return f"/v1/invoices/{invoice['id']}/lines"


def finalize(workspace: Workspace, invoice: Json, at: int) -> None:
    invoice["_lines"] = all_lines(workspace, invoice)
    invoice["number"] = _next_number(workspace, invoice["customer"])
    invoice["automatically_finalizes_at"] = None
    invoice["status_transitions"]["finalized_at"] = invoice["effective_at"] = at
    invoice["status"] = "open"
    if invoice["collection_method"] == "send_invoice":
        invoice["due_date"] = at + invoice["_days_until_due"] * DAY
    nothing_to_pay = not any(line["amount"] for line in invoice["_lines"])
    if nothing_to_pay:
        _pay(invoice, at)
    save(workspace, invoice)
    events.emit(workspace, "invoice.finalized", shown(workspace, invoice), at=at)
    if nothing_to_pay:
        events.emit(workspace, "invoice.paid", shown(workspace, invoice), at=at)


def settle_by_credit(workspace: Workspace, invoice: Json, at: int) -> None:
    """After a credit note: an open invoice of which nothing remains to be paid is paid."""
    if invoice["status"] == "open" and shown(workspace, invoice)["amount_remaining"] == 0:
        pay(workspace, invoice, at)
    else:
        save(workspace, invoice)


def pay(workspace: Workspace, invoice: Json, at: int) -> None:
    invoice["amount_paid"] += shown(workspace, invoice)["amount_remaining"]
    _pay(invoice, at)
    save(workspace, invoice)
    events.emit(workspace, "invoice.paid", shown(workspace, invoice), at=at)


def _pay(invoice: Json, at: int) -> None:
    invoice.update(status="paid", attempted=True)
    invoice["status_transitions"]["paid_at"] = at


def end(workspace: Workspace, invoice: Json, status: str, at: int) -> Json:
    """A final invoice becomes void or uncollectible; returns it as it is shown."""
    transition, event = {
        "void": ("voided_at", "invoice.voided"),
        "uncollectible": ("marked_uncollectible_at", "invoice.marked_uncollectible"),
    }[status]
    invoice["status"] = status
    invoice["status_transitions"][transition] = at
    save(workspace, invoice)
    events.emit(workspace, event, shown(workspace, invoice), at=at)
    return shown(workspace, invoice)


def _next_number(workspace: Workspace, customer_id: str) -> str:
    customer = workspace.get("customer", customer_id)
    if customer.get("deleted"):
        return f"{customer_id}-final"
    number = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04d}"
    customer["next_invoice_sequence"] += 1
    workspace.save(customer, test_clock=customer["test_clock"])
    return number
