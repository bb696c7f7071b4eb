"""The dbt project as data, for the asset graph: parsed once per state of the project's files, then read from disk.

Parsing imports dbt (2 s) and takes another; every Dagster process loads the definitions, so only the first one pays.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tally.errors import LedgerError
from tally.ledger.environment import PROJECT, dbt_environment

# Parsing connects to nothing; the profile only wants its variables filled.
_NOWHERE = "postgresql://nobody@localhost/unconnected"


def dbt_manifest(folder: Path) -> Mapping[str, Any]:
    """The manifest (dbt's manifest.json) of the project as it stands; `folder` keeps it for the next process.

    Raises:
        LedgerError: the project does not parse.
    """
    kept = folder / f"manifest-{project_fingerprint()}.json"
    try:
        text = kept.read_text()
    except FileNotFoundError:
        text = json.dumps(_parse(folder))
        _keep(kept, text)
    manifest: dict[str, Any] = json.loads(text)
    return manifest


def _keep(kept: Path, text: str) -> None:
    for outdated in kept.parent.glob("manifest-*.json"):
        outdated.unlink(missing_ok=True)
    being_written = kept.with_suffix(f".{os.getpid()}")
    being_written.write_text(text)
    being_written.replace(kept)


def project_fingerprint() -> str:
    """Changes when dbt or any file that it would read does."""
    seen = hashlib.sha256(version("dbt-core").encode())
    for path in sorted(PROJECT.rglob("*")):
        if path.suffix in {".sql", ".yml", ".md", ".csv"} and "target" not in path.parts:
            seen.update(str(path.relative_to(PROJECT)).encode() + b"\0" + path.read_bytes())
    return seen.hexdigest()[:16]


def _parse(folder: Path) -> dict[str, Any]:
    from dbt.contracts.graph.manifest import Manifest

    from tally.ledger import dbt_runner

    folder.mkdir(parents=True, exist_ok=True)
    parsed = dbt_runner.invoke(["parse"], dbt_environment(_NOWHERE, folder)).result
    if not isinstance(parsed, Manifest):
        raise LedgerError("the dbt project does not parse")
    manifest: dict[str, Any] = parsed.writable_manifest().to_dict(omit_none=False)
    return manifest
