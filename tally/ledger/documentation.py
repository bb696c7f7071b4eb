"""dbt's documentation of the models as one page that opens without a server."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tally.errors import LedgerError
from tally.ledger.environment import dbt_environment

_GENERATE = "from dbt.cli.main import cli; cli(['docs', 'generate', '--static', '--quiet'])"


def write_documentation(url: str, page: Path) -> None:
    """Write every model, column, test and edge, with the tables' sizes in the database at `url`, to `page` (HTML).

    Takes some seconds; a process of its own, because dbt keeps what it writes beside what a tick parses.

    Raises:
        LedgerError: dbt did not write it; the message is dbt's.
    """
    page.parent.mkdir(parents=True, exist_ok=True)
    folder = page.parent / ".dbt_docs"
    environment = os.environ | dbt_environment(url, folder)
    done = subprocess.run(
        [sys.executable, "-c", _GENERATE], env=environment, capture_output=True, text=True, check=False
    )
    written = folder / "target" / "static_index.html"
    if done.returncode != 0 or not written.exists():
        raise LedgerError(f"dbt docs generate: {done.stdout}{done.stderr}")
    written.replace(page)
    shutil.rmtree(folder)
