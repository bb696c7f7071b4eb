"""`tally tick`: bring the counters up to what has landed."""

from dataclasses import asdict

from tally.adjustments import propose_late_adjustments
from tally.cli.output import JsonFlag, console, print_json, print_table
from tally.cli.session import opened
from tally.clock import clock_for
from tally.settings import load_settings
from tally.tracing import ledger_of


def tick(as_json: JsonFlag = False) -> None:
    """Run the ledger's models once over the newly landed rows; `tally dbt build` does the same and tests as well."""
    settings = load_settings()
    with opened() as connection:
        result = ledger_of(settings).tick()
        late = propose_late_adjustments(connection, clock_for(settings, connection))
    if as_json:
        print_json({**asdict(result), "late": late})
        return
    rows = [(model.model, model.status, model.rows, f"{model.seconds:.2f}", model.read_to) for model in result.models]
    print_table("Ledger tick", ["model", "status", "rows", "seconds", "read to xid"], rows)
    if late:
        pending = sum(proposal.state == "pending" for proposal in late)
        events = sum(proposal.events for proposal in late)
        console.print(f"late: {events} events -> {pending} pending adjustment{'' if pending == 1 else 's'}")
