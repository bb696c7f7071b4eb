"""The README's quickstart, typed as it stands there: from nothing to an event that is counted, sent and reconciled."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tally.embedded_postgres import EmbeddedPostgres

ROOT = Path(__file__).parents[2]


@pytest.fixture
def readme_blocks() -> list[str]:
    """The shell and YAML blocks of "Your own usage", in order."""
    section = (ROOT / "README.md").read_text().split("## Your own usage")[1].split("\n## ")[0]
    return re.findall(r"```(?:sh|yaml)\n(.*?)```", section, re.DOTALL)


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A home of its own and the ports that the README names."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("TALLY_", "STRIPE_", "DATABASE_"))
    }
    yield kept | {"TALLY_HOME": str(tmp_path / "home"), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    EmbeddedPostgres(tmp_path / "home" / "postgres").stop()


@pytest.mark.timeout(300)
def test_the_quickstart_counts_an_event(readme_blocks: list[str], environment: dict[str, str], tmp_path: Path) -> None:
    configuration, first_terminal, second_terminal = readme_blocks
    (tmp_path / "tally.yaml").write_text(configuration)
    # The environment is set up already, and `tally up` stays in the foreground: it is the first terminal's last line.
    prepare = "\n".join(line for line in first_terminal.splitlines() if not line.startswith(("make setup", "tally up")))
    printed = _bash(f"{prepare}\nprintf 'KEY=%s' \"$TALLY_KEY\"", environment, tmp_path)
    key = printed.split("KEY=")[1]
    assert key.startswith("tly_")
    with subprocess.Popen(["tally", "up"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as stack:
        try:
            assert stack.stdout is not None
            assert any("Tallyledger is up" in line for line in stack.stdout)
            answer = _bash(second_terminal, environment | {"TALLY_KEY": key}, tmp_path)
            assert '"accepted":1' in answer.replace(" ", "")
            assert _line(tmp_path) == ("ok", 25, 25, 25, 25, 25)
        finally:
            stack.terminate()  # SIGINT is ignored by all that a shell has put into the background


def _bash(commands: str, environment: dict[str, str], folder: Path) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _line(folder: Path) -> tuple[Any, ...] | None:
    """What is said of the one counter: verdict, counted, sent, at Stripe, on the invoice; its amount in cents."""
    query = """
        select verdict, local_quantity, sent_quantity, stripe_quantity, invoice_quantity, local_amount
        from marts.reconciliation_lines where customer_ref = 'globex'
    """
    with psycopg.connect(EmbeddedPostgres(folder / "home" / "postgres").url()) as connection:
        return connection.execute(query).fetchone()
