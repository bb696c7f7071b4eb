"""Credit notes on lines of final invoices: by quantity or by amount, never more than a line still bears."""

from decimal import Decimal

from stripe_sandbox import events, invoice_store, pricing
from stripe_sandbox.errors import invalid, missing_parameter, missing_resource
from stripe_sandbox.ids import new_id
from stripe_sandbox.listing import PAGING, list_object, page_of
from stripe_sandbox.metadata import merged
from stripe_sandbox.operations import Operation
from stripe_sandbox.pricing import EXACT
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace

KIND = "credit_note"
# What of a credit note for a paid invoice goes where.
_DESTINATIONS = ("credit_amount", "refund_amount", "out_of_band_amount")


def create(workspace: Workspace, parameters: Json) -> Json:
    if not parameters.get("lines"):
        raise missing_parameter("lines")
    invoice = workspace.get(invoice_store.KIND, parameters["invoice"], "invoice")
    if invoice["status"] not in ("open", "paid"):
        raise invalid(f"Credit notes need an open or paid invoice; this one is {invoice['status']}.", "invoice")
    lines = _lines(workspace, invoice, parameters["lines"])
    total = sum(line["amount"] for line in lines)
    is_paid = invoice["status"] == "paid"
    _check_destinations(workspace, invoice, parameters, total)
    now = workspace.now(invoice["test_clock"])
    note = _note(workspace, invoice, parameters, lines, now)
    workspace.save(note, customer=note["customer"], test_clock=invoice["test_clock"], parent=invoice["id"])
    invoice["post_payment_credit_notes_amount" if is_paid else "pre_payment_credit_notes_amount"] += total
    _credit_balance(workspace, note["customer"], parameters.get("credit_amount", 0))
    events.emit(workspace, "credit_note.created", note, at=now)
    invoice_store.settle_by_credit(workspace, invoice, at=now)
    return note


def _lines(workspace: Workspace, invoice: Json, asked: list[Json]) -> list[Json]:
    billed = {line["id"]: line for line in invoice_store.all_lines(workspace, invoice)}
    credited: dict[str, int] = {}
    for note in workspace.state.select(workspace.namespace, KIND, "and parent = ?", (invoice["id"],)):
        for line in note["lines"]["data"]:
            credited[line["invoice_line_item"]] = credited.get(line["invoice_line_item"], 0) + line["amount"]
    result = []
    for number, each in enumerate(asked):
        line = billed.get(each.get("invoice_line_item", ""))
        if line is None:
            raise missing_resource("line_item", str(each.get("invoice_line_item")), f"lines[{number}]")
        amount = _amount(line, each, f"lines[{number}]")
        credited[line["id"]] = credited.get(line["id"], 0) + amount
        if amount <= 0 or credited[line["id"]] > line["amount"]:
            raise invalid("More would be credited than the line still bears.", f"lines[{number}]")
        result.append(_line(workspace, line, each.get("quantity"), amount))
    return result


def _amount(line: Json, asked: Json, where: str) -> int:
    if ("amount" in asked) == ("quantity" in asked):
        raise invalid("Give either an amount or a quantity.", where)
    if "amount" in asked:
        return int(asked["amount"])
    unit_amount = (line["pricing"] or {}).get("unit_amount_decimal")
    if unit_amount is None or not 0 < asked["quantity"] <= line["quantity"]:
        raise invalid("The quantity must be at most the line's, and the line must have a unit amount.", where)
    return pricing.minor_units(EXACT.multiply(Decimal(asked["quantity"]), Decimal(unit_amount)))


def _check_destinations(workspace: Workspace, invoice: Json, parameters: Json, total: int) -> None:
    given = sum(parameters.get(name, 0) for name in _DESTINATIONS)
    if invoice["status"] == "paid" and given != total:
        raise invalid(f"The invoice is paid: the amounts to return add up to {given}, not {total}.", "credit_amount")
    if invoice["status"] == "open":
        if given:
            raise invalid("The invoice is not paid: there is nothing to return.", "credit_amount")
        if total > invoice_store.shown(workspace, invoice)["amount_remaining"]:
            raise invalid("The credit note is larger than what remains to be paid.", "lines")


def _credit_balance(workspace: Workspace, customer_id: str, amount: int) -> None:
    customer = workspace.get("customer", customer_id)
    if amount:
        customer["balance"] -= amount
        workspace.save(customer, test_clock=customer["test_clock"])


def _line(workspace: Workspace, line: Json, quantity: int | None, amount: int) -> Json:
    return {
        "id": new_id("cnli"),
        "object": "credit_note_line_item",
        "amount": amount,
        "description": line["description"],
        "discount_amount": 0,
        "discount_amounts": [],
        "invoice_line_item": line["id"],
        "livemode": workspace.livemode,
        "metadata": {},
        "pretax_credit_amounts": [],
        "quantity": quantity,
        "tax_rates": [],
        "taxes": [],
        "type": "invoice_line_item",
        "unit_amount": None,
        "unit_amount_decimal": None,
    }


def _note(workspace: Workspace, invoice: Json, parameters: Json, lines: list[Json], now: int) -> Json:
    note_id, total = new_id("cn"), sum(line["amount"] for line in lines)
    is_paid = invoice["status"] == "paid"
    earlier = workspace.state.select(workspace.namespace, KIND, "and parent = ?", (invoice["id"],))
    return {
        "id": note_id,
        "object": KIND,
        "amount": total,
        "amount_shipping": 0,
        "created": now,
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "customer_balance_transaction": None,
        "discount_amount": 0,
        "discount_amounts": [],
        "effective_at": now,
        "invoice": invoice["id"],
        "lines": list_object(lines, f"/v1/credit_notes/{note_id}/lines"),
        "livemode": workspace.livemode,
        "memo": parameters.get("memo"),
        "metadata": merged({}, parameters.get("metadata", {})),
        "number": f"{invoice['number']}-CN-{len(earlier) + 1:02d}",
        "out_of_band_amount": parameters.get("out_of_band_amount"),
        "pdf": f"https://sandbox.invalid/{note_id}.pdf",
        "post_payment_amount": total if is_paid else 0,
        "pre_payment_amount": 0 if is_paid else total,
        "pretax_credit_amounts": [],
        "reason": None,
        "refunds": [],
        "shipping_cost": None,
        "status": "issued",
        "subtotal": total,
        "subtotal_excluding_tax": total,
        "total": total,
        "total_excluding_tax": total,
        "total_taxes": [],
        "type": "post_payment" if is_paid else "pre_payment",
        "voided_at": None,
    }


def retrieve(workspace: Workspace, _parameters: Json, note_id: str) -> Json:
    return workspace.get(KIND, note_id)


def list_(workspace: Workspace, parameters: Json) -> Json:
    filters = {"customer": parameters.get("customer"), "parent": parameters.get("invoice")}
    return page_of(workspace, KIND, "/v1/credit_notes", parameters, filters)


OPERATIONS = {
    "v1.credit_notes.create": Operation(
        create,
        "invoice lines.type lines.invoice_line_item lines.quantity lines.amount memo metadata"
        " credit_amount refund_amount out_of_band_amount",
    ),
    "v1.credit_notes.retrieve": Operation(retrieve),
    "v1.credit_notes.list": Operation(list_, f"{PAGING} created customer invoice"),
}
