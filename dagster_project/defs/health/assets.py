"""Is billing healthy? One asset at the end of the graph, with a check a stage: its page is the answer."""

from collections.abc import Iterator

import dagster as dg

from dagster_project.defs import stages
from dagster_project.defs.closing.assets import CLOSING_RESTS
from dagster_project.defs.health.facts import health_facts, in_words, stage_facts
from dagster_project.defs.proof.assets import INVOICE_LINE_PROOFS
from dagster_project.defs.push.assets import PUSH_INTENTS
from dagster_project.defs.reconciliation.assets import REPORT
from dagster_project.defs.resources import Tally, TallyResource
from tally.billing_health import STAGES, BillingHealth
from tally.billing_health import billing_health as look
from tally.page_addresses import pages_url
from tally.settings import load_settings

BILLING_HEALTH = dg.AssetKey(["billing", "health"])
# Between the stages and the look, which reads what they store: it is not "unsynced" because they stored more since.
STANDING = dg.AssetSpec(
    ["billing", "standing"],
    deps=[PUSH_INTENTS, REPORT, INVOICE_LINE_PROOFS, CLOSING_RESTS],
    description=(
        "Where every stage stands: what the push, the reconciliation, the proofs and the closing have stored, and what "
        "`tally status` reads. It is no table of its own, and always as new as they are."
    ),
    group_name=stages.HEALTH,
    owners=["team:billing"],
    kinds={"postgres"},
)
# Named by what they claim, and by their place: a page of checks sorts them by name.
CHECKS = {
    "counted": "1_what_landed_is_counted",
    "sent": "2_what_is_counted_is_sent",
    "agreed": "3_totals_agree_with_stripe",
    "closed": "4_ended_periods_are_closed",
}


@dg.asset(
    key=BILLING_HEALTH,
    deps=[STANDING],
    group_name=stages.HEALTH,
    owners=["team:billing"],
    kinds={"postgres"},
    metadata={"all reports": dg.MetadataValue.url(pages_url(load_settings()))},
    description=(
        "Is billing healthy? What `tally status` says, of all tenants: a check a stage, and in the metadata what "
        "needs a person. The sensor `health_looks` looks every minute and writes down what it saw when something "
        "changed, and every five minutes. Materializing it looks at once; it reads what is stored and calls nobody."
    ),
    check_specs=[
        dg.AssetCheckSpec(CHECKS[stage], asset=BILLING_HEALTH, description=claim) for stage, claim in STAGES.items()
    ],
)
def billing_health(tally: TallyResource) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Look once."""
    health = health_now(tally)
    yield dg.MaterializeResult(asset_key=BILLING_HEALTH, metadata=health_facts(health))
    for stage, name in CHECKS.items():
        yield dg.AssetCheckResult(
            check_name=name,
            passed=not health.wrong[stage],
            description=in_words(health, stage),
            metadata=stage_facts(health, stage),
        )


def health_now(tally: Tally) -> BillingHealth:
    """All tenants' standing."""
    with tally.connect() as connection:
        return look(connection, tally.settings, tally.clock(connection))


def looked(health: BillingHealth) -> list[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """The same as a run of the asset records, for whoever looks without a run."""
    evaluations = [
        dg.AssetCheckEvaluation(
            asset_key=BILLING_HEALTH,
            check_name=name,
            passed=not health.wrong[stage],
            description=in_words(health, stage),
            metadata=stage_facts(health, stage),
        )
        for stage, name in CHECKS.items()
    ]
    return [dg.AssetMaterialization(BILLING_HEALTH, metadata=health_facts(health)), *evaluations]
