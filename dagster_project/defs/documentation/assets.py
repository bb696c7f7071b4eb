"""What every table means: dbt's documentation, as one page."""

import dagster as dg

from dagster_project.defs import stages
from dagster_project.defs.resources import TallyResource
from tally.ledger.documentation import write_documentation


@dg.asset(
    key=["reports", "dbt_docs"],
    group_name=stages.DOCUMENTATION,
    owners=["team:metering"],
    kinds={"dbt"},
    description=(
        "dbt's documentation of every model, column and test, one page under TALLY_HOME/reports that opens without a "
        "server. Materialize it when the models changed; `tally dbt docs serve` shows the same."
    ),
)
def dbt_docs(context: dg.AssetExecutionContext, tally: TallyResource) -> dg.MaterializeResult[None]:
    """Write the page."""
    page = tally.settings.home.resolve() / "reports" / "dbt_docs.html"
    write_documentation(tally.url, page)
    return dg.MaterializeResult(
        metadata={"page": dg.MetadataValue.path(page), "bytes": dg.MetadataValue.int(page.stat().st_size)}
    )
