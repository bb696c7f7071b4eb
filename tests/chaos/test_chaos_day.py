"""A short chaos day, as `make chaos` would run it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_what_is_killed_comes_back_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "tests.chaos",
        "--faults",
        "door",
        "push-call",
        "--minutes",
        "0.5",
        "--patience",
        "2",
    ]
    done = subprocess.run([*command, "--folder", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads((tmp_path / "chaos.json").read_text())
    assert told["acknowledged"] == told["counted"] > 100
    assert {outcome["name"] for outcome in told["outcomes"]} == {"door", "push-call"}
