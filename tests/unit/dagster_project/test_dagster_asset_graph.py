"""What a stranger sees of the pipeline: the assets, what each is made from, and that each says what it is."""

from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import dagster as dg
import pytest

from tally.months import month_of

SNAPSHOT = Path(__file__).with_name("asset_graph.txt")


@pytest.fixture(scope="module")
def assets(definitions: dg.Definitions) -> list[dg.AssetSpec]:
    return list(definitions.resolve_all_asset_specs())


def described(asset: dg.AssetSpec) -> str:
    made_from = ", ".join(sorted(".".join(dep.asset_key.path) for dep in asset.deps))
    return f"{asset.group_name}: {'.'.join(asset.key.path)}{' <- ' if made_from else ''}{made_from}"


def test_the_asset_graph_is_the_one_in_the_snapshot(assets: list[dg.AssetSpec]) -> None:
    """One line an asset, so that a rename or a lost edge is one readable line of difference. Meant? Edit the file."""
    assert sorted(map(described, assets)) == SNAPSHOT.read_text().splitlines()


def test_every_asset_has_a_group_a_description_an_owner_and_a_kind(assets: list[dg.AssetSpec]) -> None:
    unsaid = [
        asset.key for asset in assets if not (asset.group_name and asset.description and asset.owners and asset.kinds)
    ]
    assert unsaid == []


def test_every_source_of_the_dbt_project_is_an_asset_of_this_location(assets: list[dg.AssetSpec]) -> None:
    known = {asset.key for asset in assets}
    assert {dep.asset_key for asset in assets for dep in asset.deps} - known == set()


def test_every_dbt_test_is_a_check_with_a_claim(definitions: dg.Definitions) -> None:
    from dagster_project.defs.ledger.asset_checks import CHECKS
    from dagster_project.defs.ledger.dbt import manifest

    tests = {name for name, node in manifest["nodes"].items() if node["resource_type"] == "test"}
    specs = list(chain.from_iterable(checks.check_specs for checks in definitions.asset_checks or ()))
    assert CHECKS.keys() == tests
    assert {spec.key for spec in CHECKS.values()} <= {spec.key for spec in specs}
    assert [spec.name for spec in specs if not spec.description] == []


def test_only_parity_blocks(definitions: dg.Definitions) -> None:
    specs = chain.from_iterable(checks.check_specs for checks in definitions.asset_checks or ())
    assert {spec.name for spec in specs if spec.blocking} == {"usage_parity_within_epsilon"}


@pytest.mark.parametrize(
    ("job", "pools"),
    [
        ("tick", {"ledger", "push"}),
        ("push", {"push"}),
        ("period_close", {"push"}),
        ("sync", {"stripe_mirror"}),
        ("handle_webhooks", {"stripe_mirror"}),
        ("reconcile", {"stripe_mirror", "reconciliation"}),
        ("replay_month", {"ledger"}),
        ("apply_replay", {"ledger"}),
        ("verify_ledger", set()),
        ("check_usage", set()),
        ("check_health", set()),
    ],
)
def test_what_writes_waits_for_its_pool_and_what_looks_waits_for_none(
    definitions: dg.Definitions, job: str, pools: set[str]
) -> None:
    ops = (node.definition for node in definitions.resolve_job_def(job).nodes)
    assert {op.pool for op in ops if isinstance(op, dg.OpDefinition) and op.pool} == pools


def test_a_tick_runs_no_test_that_reads_history(definitions: dg.Definitions) -> None:
    tick = definitions.resolve_job_def("tick").asset_layer
    assert tick is not None
    assert {key.name for key in tick.asset_graph.asset_check_keys} == {"nothing_waits_for_a_person"}


def test_reconciliation_goes_by_months_and_the_push_does_not(assets: list[dg.AssetSpec]) -> None:
    by_month = {".".join(asset.key.path) for asset in assets if asset.partitions_def is not None}
    assert by_month == {
        "tally.stripe_totals",
        "marts.reconciliation_totals",
        "marts.reconciliation_lines",
        "marts.event_invoice_lines",
        "marts.invoice_line_events",
        "tally.invoice_line_proofs",
        "reports.reconciliation_report",
    }


def test_months_go_on_to_the_running_one_and_everything_is_switched_on(
    definitions: dg.Definitions,
) -> None:
    from dagster_project.defs.partitions import months

    keys = months.get_partition_keys()
    assert keys[0] == "2024-01"
    assert keys[-1] == month_of(datetime.now(UTC))
    automation = (*(definitions.sensors or ()), *(definitions.schedules or ()))
    assert {each.default_status.value for each in automation} == {"RUNNING"}
