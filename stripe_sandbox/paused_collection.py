"""Pausing collection: invoices are still made, but stay drafts, or become void or uncollectible once they are final."""

from stripe_sandbox import invoice_store
from stripe_sandbox.errors import invalid
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace


def asked(parameters: Json, now: int) -> Json | None:
    """`pause_collection` as it is stored and shown; None lifts it."""
    pause: Json | None = parameters["pause_collection"]
    if not pause:
        return None
    resumes_at = pause.get("resumes_at")
    if resumes_at is not None and resumes_at <= now:
        raise invalid("resumes_at must be in the future.", "pause_collection[resumes_at]")
    return {"behavior": pause["behavior"], "resumes_at": resumes_at}


def resume_if_due(subscription: Json, at: int) -> None:
    pause = subscription.get("pause_collection")
    if pause and pause["resumes_at"] is not None and pause["resumes_at"] <= at:
        subscription["pause_collection"] = None


def mark(workspace: Workspace, subscription: Json, invoice: Json) -> None:
    """A draft made during a pause remembers what becomes of it, whatever becomes of the pause."""
    pause = subscription.get("pause_collection")
    if pause is None:
        return
    if pause["behavior"] == "keep_as_draft":
        invoice.update(auto_advance=False, automatically_finalizes_at=None)
    else:
        invoice["_becomes"] = "void" if pause["behavior"] == "void" else "uncollectible"
    invoice_store.save(workspace, invoice)


def finalize(workspace: Workspace, invoice: Json, at: int) -> None:
    """Final, and what a pause made of it."""
    invoice_store.finalize(workspace, invoice, at=at)
    becomes = invoice.pop("_becomes", None)
    if becomes is not None and invoice["status"] == "open":
        invoice_store.end(workspace, invoice, becomes, at=at)
