"""`tally tick`: bring the counters up to what has landed."""

from tally.cli.output import JsonFlag, print_json, print_table
from tally.cli.session import opened
from tally.database import database_url
from tally.ledger import Ledger
from tally.settings import load_settings


def tick(as_json: JsonFlag = False) -> None:
    """Run the ledger's models once over the newly landed rows; `tally dbt build` does the same and tests as well."""
    with opened():
        result = Ledger(database_url(load_settings())).tick()
    if as_json:
        print_json(result)
        return
    rows = [(model.model, model.status, model.rows, f"{model.seconds:.2f}", model.read_to) for model in result.models]
    print_table("Ledger tick", ["model", "status", "rows", "seconds", "read to xid"], rows)
