"""Invoices as their owner handles them: reading, holding a draft, finalizing and voiding on request."""

from functools import partial
from typing import Any

from stripe_sandbox import events
from stripe_sandbox import invoice_store as store
from stripe_sandbox.errors import StripeError, invalid
from stripe_sandbox.listing import PAGING, page_of, slice_of
from stripe_sandbox.metadata import merged
from stripe_sandbox.operations import Operation
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace

KIND = store.KIND


def retrieve(workspace: Workspace, _parameters: Json, invoice_id: str) -> Json:
    return store.shown(workspace, workspace.get(KIND, invoice_id))


def update(workspace: Workspace, parameters: Json, invoice_id: str) -> Json:
    """`auto_advance=false` holds a draft; a finalization time of one's own replaces the grace."""
    invoice = workspace.get(KIND, invoice_id)
    now = workspace.now(invoice["test_clock"])
    if invoice["status"] != "draft" and {"auto_advance", "automatically_finalizes_at"} & parameters.keys():
        raise invalid("The invoice is no longer a draft.", "auto_advance")
    if "auto_advance" in parameters:
        invoice["auto_advance"] = parameters["auto_advance"]
        grace = int(workspace.settings.finalization_grace_hours * store.HOUR)
        invoice["automatically_finalizes_at"] = now + grace if invoice["auto_advance"] else None
    if "automatically_finalizes_at" in parameters:
        if parameters["automatically_finalizes_at"] <= now:
            raise invalid("automatically_finalizes_at must be in the future.", "automatically_finalizes_at")
        invoice["automatically_finalizes_at"] = parameters["automatically_finalizes_at"]
        invoice["auto_advance"] = True
    if "description" in parameters:
        invoice["description"] = parameters["description"]
    if "metadata" in parameters:
        invoice["metadata"] = merged(invoice["metadata"], parameters["metadata"])
    store.save(workspace, invoice)
    result = store.shown(workspace, invoice)
    events.emit(workspace, "invoice.updated", result, at=now)
    return result


def finalize_on_request(workspace: Workspace, _parameters: Json, invoice_id: str) -> Json:
    invoice = workspace.get(KIND, invoice_id)
    if invoice["status"] != "draft":
        raise StripeError("This invoice is already finalized.", code="invoice_not_editable", param="id")
    store.finalize(workspace, invoice, at=workspace.now(invoice["test_clock"]))
    return store.shown(workspace, invoice)


def pay(workspace: Workspace, _parameters: Json, invoice_id: str) -> Json:
    """Paid in full, by whatever means: the sandbox moves no money. What is uncollectible may be paid after all."""
    invoice = workspace.get(KIND, invoice_id)
    if invoice["status"] not in ("open", "uncollectible"):
        raise StripeError(f"You can only pay an open invoice; this one is {invoice['status']}.", param="id")
    store.pay(workspace, invoice, at=workspace.now(invoice["test_clock"]))
    return store.shown(workspace, invoice)


def void(workspace: Workspace, _parameters: Json, invoice_id: str) -> Json:
    """For good: the lines stay to be read, and bill nothing any more."""
    return _end(workspace, invoice_id, ("open", "uncollectible"), "void")


def mark_uncollectible(workspace: Workspace, _parameters: Json, invoice_id: str) -> Json:
    """Bad debt: it may still be paid, or voided."""
    return _end(workspace, invoice_id, ("open",), "uncollectible")


def _end(workspace: Workspace, invoice_id: str, ends: tuple[str, ...], status: str) -> Json:
    invoice = workspace.get(KIND, invoice_id)
    if invoice["status"] not in ends:
        raise StripeError(
            f"The invoice is {invoice['status']}; only one that is {' or '.join(ends)} becomes {status}.", param="id"
        )
    return store.end(workspace, invoice, status, at=workspace.now(invoice["test_clock"]))


def list_(workspace: Workspace, parameters: Json) -> Json:
    filters: dict[str, Any] = {name: parameters.get(name) for name in ("customer", "status", "collection_method")}
    filters["parent"] = parameters.get("subscription")
    return page_of(workspace, KIND, "/v1/invoices", parameters, filters, render=partial(store.shown, workspace))


def list_lines(workspace: Workspace, parameters: Json, invoice_id: str) -> Json:
    invoice = workspace.get(KIND, invoice_id)
    return slice_of(store.all_lines(workspace, invoice), store.lines_url(invoice), parameters)


OPERATIONS = {
    "v1.invoices.retrieve": Operation(retrieve),
    "v1.invoices.update": Operation(update, "auto_advance automatically_finalizes_at description metadata"),
    "v1.invoices.finalize_invoice": Operation(finalize_on_request, "auto_advance"),
    "v1.invoices.pay": Operation(pay, "paid_out_of_band"),
    "v1.invoices.void_invoice": Operation(void),
    "v1.invoices.mark_uncollectible": Operation(mark_uncollectible),
    "v1.invoices.list": Operation(list_, f"{PAGING} collection_method created customer status subscription"),
    "v1.invoices.line_items.list": Operation(list_lines, PAGING),
}
