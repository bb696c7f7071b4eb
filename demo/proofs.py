"""The proofs that the reconciliations kept: how many invoice lines are proven down to their landed events."""

from rich.console import Console

from demo.stage import Side, Stage

_PROVEN = """
select
    count(*),
    count(*) filter (where exists (
        select from tally.invoice_line_proofs as proof
        where proof.tenant_id = line.tenant_id and proof.account = line.account and proof.livemode = line.livemode
            and proof.customer_ref = line.customer_ref and proof.metric = line.metric
            and proof.period_start = line.period_start and proof.invoice_id = line.invoice_id
            and proof.differences = '{}'
    )),
    min(invoice_line_id)
from tally.stripe_totals as line
where line.tenant_id = %s and line.invoice_status in ('open', 'paid', 'uncollectible', 'void')
"""


def print_proven(console: Console, stage: Stage[Side]) -> bool:
    """Say how many lines are proven; whether that is every one."""
    lines, proven, one = stage.connection.execute(_PROVEN, (stage.tenant,)).fetchone() or (0, 0, None)
    console.print(
        f"[green]✓[/green] {proven} of {lines} invoice lines proven, each from its amount down to its landed events"
        if proven == lines > 0
        else f"[red]✗ {proven} of {lines} invoice lines proven[/red]: `tally explain {one}` shows one"
    )
    return bool(proven == lines > 0)
