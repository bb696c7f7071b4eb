"""Planted together, found apart: one reconcile run of Dagster names three faults by their lines and no other line."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from altered_in_flight import AlteredInFlight
from small_month import QUANTITIES, TENANT, Month

from dagster_project.materialize import JobResult, Materializer
from tally import dagster_home
from tally.settings import load_settings

PLANTED = {
    ("globex", "minutes"): "foreign writer",  # a delta that reached Stripe with another value
    ("globex", "calls"): "lost event",
    ("initech", "minutes"): "double count",  # a delta pushed again under another identifier
}


@pytest.fixture
def reconciled(
    month: Month, in_between: AlteredInFlight, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[JobResult]:
    """The month with three faults planted, after a run of the job reconcile."""
    month.connection.execute(
        "update ledger.int_usage_counters set event_count = event_count - 1, quantity_sum = quantity_sum - 1"
        " where tenant_id = %s and customer_ref = 'globex' and metric = 'calls'",
        (TENANT,),
    )
    in_between.armed[month.customers["globex"], "minutes"] = "34.26"
    month.push()
    [(identifier, value, at)] = month.connection.execute(
        "select identifier, value, event_ts from tally.push_intents"
        " where customer_ref = 'initech' and metric = 'minutes'"
    ).fetchall()
    month.stripe.send(month.customers["initech"], "minutes", str(value), at, f"{identifier}-again")
    month.stripe.until_applied()
    month.connection.execute("insert into tally.simulated_clock (now) values (%s)", (month.clock.at,))
    url = month.settings.database_url
    key = month.settings.stripe_api_key
    assert url is not None
    assert key is not None
    variables = dagster_home.prepare(month.settings, url.get_secret_value()) | {
        "TALLY_CLOCK": "simulated",
        "STRIPE_API_KEY": key.get_secret_value(),
        "STRIPE_API_BASE": str(month.settings.stripe_api_base),
        "TALLY_HOME": str(tmp_path),
    }
    for name, setting in variables.items():
        monkeypatch.setenv(name, setting)
    load_settings.cache_clear()
    with dg.DagsterInstance.ephemeral() as instance, Materializer(instance) as materializer:
        yield materializer.run("reconcile", "2024-03")
    load_settings.cache_clear()


def test_the_run_is_red_and_its_metadata_names_each_fault_and_only_those(reconciled: JobResult) -> None:
    assert not reconciled.success
    [failed] = reconciled.failed_checks
    assert failed.name == "usage_parity_within_epsilon"
    assert failed.metadata["lines"] == len(QUANTITIES)
    assert failed.metadata["breaking lines"] == len(PLANTED)
    header, _, *rows = str(failed.metadata["lines that break"]).splitlines()
    columns = [name.strip() for name in header.strip("| ").split("|")]
    named = [dict(zip(columns, (cell.strip() for cell in row.strip("| ").split("|")), strict=True)) for row in rows]
    found = {(line["customer_ref"], line["metric"]): line["cause"].split(":")[0] for line in named}
    assert found == PLANTED
    assert reconciled.materialized["marts.reconciliation_lines"]["ok"] == len(QUANTITIES) - len(PLANTED)
    assert reconciled.materialized["reports.reconciliation_report"]["breaking lines"] == len(PLANTED)
