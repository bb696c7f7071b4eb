"""How an amount reaches the customer: as the settings say, or, with a note for a person, as far as it can."""

from dataclasses import dataclass
from typing import Any

from tally.closing.moved import Moved
from tally.closing.rest import Kind


@dataclass(frozen=True)
class Way:
    """`amount_minor` as in `tally.closing.rest.Rest`; with a `note` a person has to look."""

    kind: Kind
    amount_minor: int
    credited_lines: tuple[dict[str, Any], ...] = ()
    note: str = ""


FREE = Way("nothing", 0, note="used in a trial, which bills nothing: neither now nor later")


def billed_by(counter: Moved, amount: int, is_billed_again: bool) -> Way:
    """How an amount that is due reaches the customer: by policy, or by what is left where that cannot be."""
    if amount == 0:
        return Way("nothing", 0, note="no money moves")
    notes = []
    if counter.basis == "void":
        notes.append(f"{counter.invoice_id} was voided: approve to bill it anew, reject where it was billed otherwise")
    kind: Kind = "write_off" if counter.late_usage == "write_off" else "invoice_item"
    if kind == "invoice_item" and not is_billed_again:
        kind = "write_off"
        notes.append("its subscription has ended: no invoice will bill it; by hand, or not at all")
    return Way(kind, amount, note="; ".join(notes))


def credited_by(counter: Moved, amount: int, lines: list[dict[str, Any]] | None) -> Way:
    """How an amount is given back; `lines` are those of a credit note, None where the invoice's no longer bear it."""
    if counter.basis == "void":
        said = "was voided: an item of ours billed too much"
        return Way("credit_grant", amount, note=f"{counter.invoice_id} {said}")
    if counter.is_replaced:
        said = f"{counter.invoice_id} bills what was billed anew when the invoice before it was voided"
        kind: Kind = "credit_grant" if lines is None else "credit_note"
        return Way(kind, amount, tuple(lines or ()), said)
    if counter.basis == "uncollectible":
        said = "is uncollectible: reject, since nobody paid it; or approve to give a credit all the same"
        return Way("credit_grant", amount, note=f"{counter.invoice_id} {said}")
    if counter.overbilled_usage == "credit_grant":
        return Way("credit_grant", amount)
    if lines is None:
        return Way("credit_grant", amount, note="more than the invoice's lines still bear")
    return Way("credit_note", amount, tuple(lines))
