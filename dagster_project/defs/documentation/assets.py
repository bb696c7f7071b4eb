"""What every table means: dbt's documentation, as one page."""

import dagster as dg

from dagster_project.defs import stages
from dagster_project.defs.resources import TallyResource
from tally.ledger.documentation import write_documentation
from tally.page_addresses import DBT_DOCS, dbt_docs_url, reports_folder


@dg.asset(
    key=["reports", "dbt_docs"],
    group_name=stages.DOCUMENTATION,
    owners=["team:metering"],
    kinds={"dbt"},
    description=(
        "dbt's documentation of every model, column and test. `changed_models` writes it when the models changed; one "
        "page under TALLY_HOME/reports, which opens from the link below and also without a server."
    ),
)
def dbt_docs(context: dg.AssetExecutionContext, tally: TallyResource) -> dg.MaterializeResult[None]:
    """Write the page."""
    page = reports_folder(tally.settings) / DBT_DOCS
    write_documentation(tally.url, page)
    return dg.MaterializeResult(
        metadata={
            "open": dg.MetadataValue.url(dbt_docs_url(tally.settings)),
            "file": dg.MetadataValue.path(page),
            "bytes": dg.MetadataValue.int(page.stat().st_size),
        }
    )
