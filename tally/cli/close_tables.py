"""How `tally close` shows drafts, holds, rests and what waits."""

from collections.abc import Iterable, Sequence

from rich.markup import escape

from tally.cli.output import console, print_table
from tally.closing import VERDICTS, CloseResult, DraftState, Hold, Overview, Rest
from tally.closing.moved import Waiting
from tally.closing.writing import Proposal
from tally.pricing import currency_of


def print_overview(found: Overview) -> None:
    """What is stored: nothing was asked of Stripe."""
    if found.drafts:
        rows = [
            (each.invoice_id, escape(each.customer_ref), each.period_end, _lines(each.unsettled))
            for each in found.drafts
        ]
        print_table("Drafts", ["invoice", "customer", "period ended", "not settled"], rows)
    _holds_table(found.holds)
    if found.rests:
        rests_table("Rests", found.rests)
    _waiting_table(found.waiting)
    for sentence in found.wrong:
        console.print(f"[red]wrong:[/red] {escape(sentence)}")
    if not found.wrong:
        console.print("[green]nothing needs a person[/green]")


def print_result(result: CloseResult) -> None:
    """What a run did, or would do."""
    would = " (dry run: nothing was changed)" if result.dry_run else ""
    console.print(f"[bold]Stripe account {result.account}, {result.mode.upper()} mode[/bold]{would}")
    if result.drafts:
        _drafts_table(result.drafts)
    if result.proposals:
        _proposals_table("Would be proposed" if result.dry_run else "Worked out", result.proposals)
    if result.decide:
        rests_table("Waiting for a person", result.decide)
    _waiting_table(result.waiting)
    sent = ", ".join(f"{number} {outcome}" for outcome, number in sorted(result.sent.outcomes.items()))
    console.print(f"{len(result.drafts)} drafts, {len(result.proposals)} rests; sent: {sent or 'nothing'}")
    for sentence in (*result.sent.refusals, *([result.sent.stopped] if result.sent.stopped else [])):
        console.print(f"[red]wrong:[/red] {escape(sentence)}")
    for fault in result.unread:
        where = f"{escape(fault.customer_ref)} {fault.metric}"
        console.print(f"[yellow]not read:[/yellow] {where}: {fault.what}: {escape(fault.reason)}")


def rests_table(title: str, rests: Iterable[Rest]) -> None:
    """A row a rest."""
    columns = ["id", "customer", "metric", "period from", "from", "to", "as", "amount", "state", "invoice", "note"]
    rows = [
        (rest.rest_id, escape(rest.customer_ref), rest.metric, rest.period_start, rest.from_quantity, rest.to_quantity,
         rest.kind, _money(rest.amount_minor, rest.currency), rest.state, rest.invoice_id,
         escape(rest.last_error or rest.decision_note or rest.note))
        for rest in rests
    ]  # fmt: skip
    print_table(title, columns, rows)


def _proposals_table(title: str, proposals: Iterable[Proposal]) -> None:
    columns = ["customer", "metric", "period from", "billed", "counted", "as", "amount", "approved", "note"]
    rows = [
        (escape(each.counter.customer_ref), each.counter.metric, each.counter.period_start, each.counter.settled_to,
         each.counter.target, each.kind, _money(each.amount_minor, each.currency),
         "by policy" if each.approved else "no", escape(each.note))
        for each in proposals
    ]  # fmt: skip
    print_table(title, columns, rows)


def _drafts_table(drafts: Iterable[DraftState]) -> None:
    rows = [
        (each.invoice_id, escape(each.customer_ref), each.period_end, each.finalizes_at, VERDICTS[each.verdict],
         _lines(each.unsettled))
        for each in drafts
    ]  # fmt: skip
    print_table("Drafts", ["invoice", "customer", "period ended", "final at", "standing", "not settled"], rows)


def _holds_table(holds: Iterable[Hold]) -> None:
    rows = [
        (each.invoice_id, escape(each.customer_ref), each.state, escape(each.held_by), each.decided_at,
         escape(each.reason), escape(each.last_error or ""))
        for each in holds
    ]  # fmt: skip
    if rows:
        print_table("Held by us", ["invoice", "customer", "state", "by", "since", "why", "last"], rows)


def _waiting_table(waiting: Iterable[Waiting]) -> None:
    rows = [
        (escape(each.customer_ref), each.metric, each.period_start, each.quantity, escape(each.detail))
        for each in waiting
    ]
    if rows:
        print_table("Not settled", ["customer", "metric", "period from", "quantity", "why"], rows)


def _lines(sentences: Sequence[str]) -> str:
    return escape("\n".join(sentences))


def _money(minor: int, currency: str) -> str:
    known = currency_of(currency)
    return f"{known.major(minor):,} {known.code}"
