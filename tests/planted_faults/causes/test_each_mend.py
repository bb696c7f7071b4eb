"""The command that comes with a cause is one that runs: filled in for a line, pasted as it stands."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from planted_month import Planted
from small_month import METRICS, NOW, TENANT
from stripe_side import TEST_KEY
from typer.testing import CliRunner

from tally.cli.app import app
from tally.reconciliation.mends import mend_of, mended_codes
from tally.settings import load_settings


@pytest.fixture
def environment(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The commands find the planted month, its Stripe and its time."""
    assert planted.settings.database_url is not None
    given = {
        "DATABASE_URL": planted.settings.database_url.get_secret_value(),
        "STRIPE_API_KEY": TEST_KEY,
        "STRIPE_API_BASE": planted.stripe.url,
        "TALLY_CLOCK": "simulated",
        "TALLY_HOME": str(planted.settings.home),
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    planted.connection.execute(
        "insert into tally.simulated_clock (now) values (%s) on conflict (only_row) do update set now = excluded.now",
        (NOW,),
    )
    load_settings.cache_clear()
    yield
    load_settings.cache_clear()


@pytest.mark.usefixtures("environment")
def test_every_mend_is_a_command_that_runs(planted: Planted, tmp_path: Path) -> None:
    file = tmp_path / "tally.yaml"
    meters = ", ".join(
        f"{{metric: {metric}, aggregation: {kind}, stripe: {{event_name: {metric}}}}}"
        for metric, kind in METRICS.items()
    )
    file.write_text(f"tenants: [{{id: {TENANT}, name: Acme, meters: [{meters}]}}]")
    line = next(line for line in planted.reconcile() if line.metric == "minutes")
    commands = {mend_of(code, TENANT, str(file), line).command for code in mended_codes()} - {None}
    for command in sorted(filter(None, commands)):
        program, *arguments = shlex.split(command)
        assert program == "tally"
        if arguments[0] == "dbt":  # becomes dbt's own process: tests/integration/ledger/test_ledger_command_line.py
            continue
        done = CliRunner().invoke(app, arguments, input="n\n")
        # 1 is an answer: something is wrong, or nobody confirmed. 2 would be a command that is not understood.
        assert done.exit_code in (0, 1), (command, done.output, done.exception)
        assert done.exception is None or isinstance(done.exception, SystemExit), (command, done.exception)
