"""What an operator types: `tally ...`, as a process of its own."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.stage import Stage

TALLY = str(Path(sys.executable).with_name("tally"))
SECONDS = 120


@dataclass(frozen=True)
class Said:
    """How a command ended and what it printed; `document` is None where that was no JSON."""

    code: int
    document: Any
    error: str


def tally(stage: Stage, *arguments: str) -> Said:
    """Run `tally ARGUMENTS` on the stage, in the environment that this process has."""
    command = [TALLY, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS, cwd=stage.folder)
    try:
        document = json.loads(done.stdout)
    except ValueError:
        document = None
    return Said(done.returncode, document, f"{done.stdout[-500:] if document is None else ''}{done.stderr[-1000:]}")
