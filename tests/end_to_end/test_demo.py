"""`make demo`, whole: interrupted once in the middle, then run again; every cell must equal the independent truth."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tally.embedded_postgres import EmbeddedPostgres

ROOT = Path(__file__).parents[2]
COMMAND = [str(Path(sys.executable).parent / "tally"), "demo"]


@pytest.mark.timeout(600)
def test_interrupted_and_run_again_it_ends_with_the_truth(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "STRIPE_API_KEY")}
    environment |= {"TALLY_HOME": str(tmp_path / "home"), "TALLY_DOOR_PORT": "0", "TALLY_SANDBOX_PORT": "0"}
    try:
        with subprocess.Popen(
            COMMAND, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, process_group=0
        ) as interrupted:
            assert interrupted.stdout is not None
            for line in interrupted.stdout:
                if "January 2013 has ended" in line:
                    break
            time.sleep(1)  # into the ticks that follow
            os.killpg(interrupted.pid, signal.SIGKILL)
        done = subprocess.run(COMMAND, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "All 1,152 cells of 128 rows equal the independent truth" in done.stdout
        assert "0 applied other than once" in done.stdout
        reports = [ROOT / path for path in re.findall(r"report: (\S+)", done.stdout)]
        assert [path.exists() and path.with_suffix(".csv").exists() for path in reports] == [True, True]
    finally:
        EmbeddedPostgres(tmp_path / "home" / "postgres").stop()
