"""`make demo-close`, whole: every invoice line of three months, with all that happens to subscriptions, is proven."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tally.embedded_postgres import EmbeddedPostgres

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(400)
def test_every_invoice_line_of_three_months_is_proven(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "STRIPE_API_KEY")}
    environment |= {"TALLY_HOME": str(tmp_path / "home"), "TALLY_DOOR_PORT": "0", "TALLY_SANDBOX_PORT": "0"}
    command = [str(Path(sys.executable).parent / "tally"), "demo", "--close"]
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    finally:
        EmbeddedPostgres(tmp_path / "home" / "postgres").stop()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "30 of 30 invoice lines proven" in done.stdout
    assert "0 applied other than once" in done.stdout
