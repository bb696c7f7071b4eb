"""The dbt tests as asset checks. They read history, so a tick does not run them: job verify_ledger does."""

from collections.abc import Iterator

import dagster as dg

from dagster_project.defs.ledger.dbt import manifest, translator
from dagster_project.defs.resources import TallyResource
from dagster_project.lib.dbt_tests import DataTest, data_tests
from tally.ledger import TestResult


def _spec(test: DataTest) -> dg.AssetCheckSpec:
    node = manifest["nodes"].get(test.node_id) or manifest["sources"][test.node_id]
    return dg.AssetCheckSpec(
        name=test.name,
        asset=translator.get_asset_key(node),
        description=test.description,
        metadata={"dbt test": test.unique_id},
    )


CHECKS = {test.unique_id: _spec(test) for test in data_tests(manifest)}


@dg.multi_asset_check(
    name="ledger_tests",
    specs=list(CHECKS.values()),
    can_subset=True,
    description="Every dbt data test, run once together.",
)
def ledger_tests(context: dg.AssetCheckExecutionContext, tally: TallyResource) -> Iterator[dg.AssetCheckResult]:
    wanted = context.selected_asset_check_keys
    for test in tally.ledger().test():
        spec = CHECKS[test.unique_id]
        if spec.key in wanted:
            yield _result(spec, test)


def _result(spec: dg.AssetCheckSpec, test: TestResult) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=spec.asset_key,
        check_name=spec.name,
        passed=test.status == "pass",
        severity=dg.AssetCheckSeverity.WARN if test.severity == "warn" else dg.AssetCheckSeverity.ERROR,
        metadata={"rows against": dg.MetadataValue.int(test.failures), "dbt says": test.message or test.status},
    )
