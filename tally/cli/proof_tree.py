"""A proof as a tree: a branch a link of the chain, with what it stands on below it."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal

from rich.markup import escape
from rich.tree import Tree

from tally.proof import Chain, Priced, Proof
from tally.reconciliation.notation import moment, money, quantity

_MARKS = {"ok": "[green]✓[/green]", "differs": "[red]✗[/red]", "unknown": "[yellow]?[/yellow]", "none": "·"}


def proof_tree(proof: Proof, limit: int) -> Tree:
    """The whole chain; of long lists at most `limit` rows."""
    chain, line = proof.chain, proof.chain.line
    tree = Tree(
        f"[bold]{escape(line.customer_ref)} {escape(line.metric)}[/bold] {moment(line.period_start)} to"
        f" {moment(line.period_end)}, {'live' if line.livemode else 'test'} mode"
    )
    for step, said, below in (
        ("price", _price(chain), _tiers(chain)),
        ("invoice", _invoice(chain), ()),
        ("summary", _summary(chain), ()),
        ("sent", f"{quantity(chain.told)} in {len(chain.intents)} deltas", _intents(chain)),
        ("counter", _counter(chain), _adjustments(chain)),
        ("events", _events(chain), _left_out(chain)),
        ("record", _recorded(chain), _proofs(chain)),
    ):
        branch = tree.add(f"{_MARKS[_verdict(proof, step)]} [bold]{step:<8}[/bold] {said}")
        rows = list(below)
        for row in rows[:limit]:
            branch.add(row)
        if len(rows) > limit:
            branch.add(f"… and {len(rows) - limit} more")
    return tree


def _verdict(proof: Proof, step: str) -> str:
    verdicts = {each.verdict for each in proof.checks if each.step == step}
    return next((each for each in ("differs", "unknown", "ok") if each in verdicts), "none")


def _price(chain: Chain) -> str:
    billed = money(chain.line.invoice_amount, chain.line.invoice_currency)
    if isinstance(chain.price, str):
        return f"{billed}: {escape(chain.price)}"
    again = money(Decimal(chain.price.amount), chain.price.line.price.currency.code)
    return f"{billed}; priced again {again} under {chain.price.price_id}, rounded {chain.price.rounding}"


def _tiers(chain: Chain) -> Iterator[str]:
    if isinstance(chain.price, Priced):
        line = chain.price.line
        exact = line.price.currency.exact_major
        for part in line.parts:
            tier = f"tier {part.tier}: " if part.tier else ""
            flat = f" + {quantity(exact(part.flat_amount))}" if part.flat_amount else ""
            yield (
                f"{tier}{quantity(part.quantity)} × {quantity(exact(part.unit_amount))}{flat}"
                f" = {quantity(exact(part.amount_unrounded))}"
            )


def _invoice(chain: Chain) -> str:
    line = chain.line
    if line.invoice_id is None:
        return "no invoice and no preview was read"
    others = f" of {chain.together.counters} segments" if chain.together.counters > 1 else ""
    return (
        f"{quantity(line.invoice_quantity)}{others} on {line.invoice_line_id} of {line.invoice_id}"
        f" ({line.invoice_status}), read {_at(line.invoice_read_at)}"
    )


def _summary(chain: Chain) -> str:
    return f"{quantity(chain.line.summary_quantity)} by Stripe's meter, read {_at(chain.line.summary_read_at)}"


def _intents(chain: Chain) -> Iterator[str]:
    for each in chain.intents:
        requests = ", ".join(each.request_ids) or "no request"
        yield f"{each.value:+f} {each.state} {_at(each.confirmed_at)} {escape(requests)} {each.identifier}"


def _counter(chain: Chain) -> str:
    counter, version = chain.counter, chain.version
    if counter is None:
        return "nothing is counted"
    return (
        f"{quantity(counter.value)} = {quantity(counter.event_value)} from events + {quantity(counter.adjustment)}"
        f" adjustments; as of transaction {version.read_to}, {_at(version.counted_at)}"
    )


def _adjustments(chain: Chain) -> Iterator[str]:
    for each in chain.adjustments:
        yield f"{each.amount:+f} {each.reason}, by {escape(each.decided_by or '')}: adjustment {each.adjustment_id}"


def _events(chain: Chain) -> str:
    events = chain.events
    archived = (
        f"; {events.archived:,} landed on days that are archived: of those the ledger's copy was read"
        if events.archived
        else ""
    )
    erased = chain.erased
    kept = (
        f"; erased on {moment(erased.erased_at)} by {escape(erased.erased_by)}: payload hashes as they were kept,"
        " payloads and identifiers no longer recomputable"
        if erased
        else ""
    )
    return f"{events.count:,} landed, sum {quantity(events.quantity_sum)}, sha256 {events.sha256}{archived}{kept}"


def _left_out(chain: Chain) -> Iterable[str]:
    return [f"left out: {count:,} {outcome}" for outcome, count in sorted(chain.events.left_out.items())]


def _recorded(chain: Chain) -> str:
    if not chain.proofs:
        return "no proof is kept yet: the first one is when the invoice is final, or with --record-by"
    anchor = chain.anchor
    return f"held against proof {anchor.number}" if anchor else "no kept proof of this invoice holds"


def _proofs(chain: Chain) -> Iterator[str]:
    for each in chain.proofs:
        said = "proven" if not each.differences else f"{len(each.differences)} differences"
        yield (
            f"proof {each.number}: {said} ({each.invoice_status}), {_at(each.recorded_at)} by"
            f" {escape(each.recorded_by)}, fingerprint {each.fingerprint}"
        )


def _at(moment_read: datetime | None) -> str:
    return moment(moment_read) if moment_read else "never"
