"""dbt in this process, with a manifest that is parsed once: a run costs a quarter of a second instead of three.

Importing this module imports dbt (two seconds), so `Ledger` does it at its first run.
"""

import fcntl
import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest

from tally.errors import LedgerError
from tally.ledger import dbt_adapter
from tally.ledger.environment import database_environment

# dbt does not support two invocations at once in one process.
_one_at_a_time = threading.Lock()
_manifest: Manifest | None = None
dbt_adapter.install()

# dbt throws its parse state away when the profile names another database, and parsing connects to none: with one name
# for all, a process finds what an earlier one parsed, whichever database either works on.
_NOWHERE = database_environment("postgresql://nobody@localhost/unconnected")

_QUIET = ("--quiet", "--log-level", "none", "--log-level-file", "none", "--no-write-json", "--no-use-colors")


def invoke(arguments: list[str], environment: dict[str, str]) -> dbtRunnerResult:
    """Run dbt's command `arguments` under `environment`.

    Raises:
        LedgerError: dbt stopped before it ran anything; a model's or test's failure is in the result instead.
    """
    with _one_at_a_time, _environ(environment):
        manifest = _kept_manifest(Path(environment["DBT_TARGET_PATH"]))
        _point_at(manifest, environment["TALLY_DB_NAME"])
        dbt_adapter.forget_flags_of_adapters()
        result = dbtRunner(manifest=manifest).invoke([*arguments, *_QUIET])
    if result.exception is not None:
        raise LedgerError(f"dbt {arguments[0]}: {result.exception}")
    return result


def _kept_manifest(target: Path) -> Manifest:
    global _manifest
    if _manifest is None:
        # Beside `target`, where `tally dbt` keeps the state of the database that it works on.
        folder = target.with_name("parsed")
        folder.mkdir(parents=True, exist_ok=True)
        # Processes that start together share the folder; dbt writes its parse state there without a lock of its own.
        with (folder / ".parse.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            with _environ(_NOWHERE | {"DBT_TARGET_PATH": str(folder)}):
                parsed = dbtRunner().invoke(["parse", *_QUIET])
        if not isinstance(parsed.result, Manifest):
            raise LedgerError(f"the dbt project does not parse: {parsed.exception}")
        _manifest = parsed.result
        # It lives as long as the process: a collection that walks it again takes 0.1 to 0.2 s.
        gc.collect()
        gc.freeze()
    return _manifest


def _point_at(manifest: Manifest, database: str) -> None:
    """Name `database` in every relation: a manifest holds the one it was parsed for, and Postgres takes no other."""
    nodes: list[Any] = [*manifest.nodes.values(), *manifest.sources.values()]
    for node in nodes:
        if node.database != database:
            if node.relation_name is not None:
                node.relation_name = node.relation_name.replace(f'"{node.database}".', f'"{database}".', 1)
            node.database = database


@contextmanager
def _environ(changes: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
