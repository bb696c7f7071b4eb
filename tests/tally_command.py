"""The `tally` command in this process: what a shell sees of it, without the seconds that a new interpreter takes."""

import io
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout

import pytest

from tally.cli.app import main
from tally.settings import load_settings


def run_tally(
    environment: Mapping[str, str], *arguments: str, entry: Callable[[], int | None] = main
) -> subprocess.CompletedProcess[str]:
    """Run a script's entry point under `environment` beside what is set; returns its exit code and what it printed.

    Standard input is empty. Where a process is killed, or its start is the point, start one instead.
    """
    printed, complained = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(printed), redirect_stderr(complained):
        for name, value in environment.items():
            patched.setenv(name, value)
        patched.setattr(sys, "argv", ["tally", *arguments])
        patched.setattr(sys, "stdin", io.StringIO())
        load_settings.cache_clear()
        try:
            code = entry() or 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        finally:
            load_settings.cache_clear()
    return subprocess.CompletedProcess(["tally", *arguments], code, printed.getvalue(), complained.getvalue())
