"""The schema against this version's migrations, and dbt's relations against the project."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tally.doctor.patient import Patient
from tally.doctor.result import Result, ok, warning, wrong
from tally.ledger.environment import PROJECT
from tally.ledger.model_sql import Model, models
from tally.migrations import declared, standing

_COLUMNS = """
select attribute.attname, attribute.atttypid::regtype::text from pg_attribute as attribute
where attribute.attrelid = to_regclass(%(relation)s) and attribute.attnum > 0 and not attribute.attisdropped
order by attribute.attnum
"""
_TYPES = "select given, given::regtype::text from unnest(%(types)s::text[]) as given"
_FOREIGN = "select count(*), min(system_identifier) from tally.model_bounds where system_identifier <> %(own)s"


def migrations(patient: Patient) -> Iterator[Result]:
    """Behind, ahead, edited, or as it should be."""
    assert patient.connection is not None
    found = standing(patient.connection)
    if found.future:
        yield wrong(
            "migrations",
            f"the schema is from a newer version: {', '.join(found.future)} are not known here",
            "upgrade Tallyledger; docs/runbooks/upgrade.md",
        )
    if found.edited:
        fix = "put the files back as they were, and add a new one instead"
        yield wrong("migrations", f"applied files were edited since: {', '.join(found.edited)}", fix)
    if found.pending:
        names = ", ".join(migration.name for migration in found.pending[:3])
        more = f" and {len(found.pending) - 3} more" if len(found.pending) > 3 else ""
        yield wrong("migrations", f"pending: {names}{more}", "`tally migrate`")
    if not (found.future or found.edited or found.pending):
        yield ok("migrations", f"all {len(declared())} are applied, none is unknown")


def ledger_models(patient: Patient) -> Iterator[Result]:
    """Whether every model is built, with the columns that its contract declares, on this cluster's transactions."""
    missing, other = [], []
    contracts = _contracts()
    types = sorted({kind for columns in contracts.values() for _, kind in columns})
    spelt = dict(patient.rows(_TYPES, {"types": types}))
    for model in models().values():
        columns = patient.rows(_COLUMNS, {"relation": model.relation})
        wanted = [(name, spelt[kind]) for name, kind in contracts.get(model.name, [])]
        if not columns:
            missing.append(model)
        elif wanted and not _agree(model, columns, wanted):
            other.append(model)
    yield from _judged(missing, other)
    [(own,)] = patient.rows("select tally.cluster_identifier()")
    [(foreign, whose)] = patient.rows(_FOREIGN, {"own": own})
    if foreign:
        found = f"{foreign} bounds count the transactions of cluster {whose}, this one is {own}: it was restored"
        yield wrong("models", found, "`tally restore --restamp-only`; docs/runbooks/restore.md")


def _judged(missing: list[Model], other: list[Model]) -> Iterator[Result]:
    count = len(models())
    if len(missing) == count:
        yield warning("models", "no dbt model is built yet", "`tally tick`, or start the loop")
    elif missing:
        names = ", ".join(model.relation for model in missing)
        yield wrong("models", f"{len(missing)} of {count} dbt models are not built: {names}", "`tally tick`")
    for model in other:
        found = f"{model.relation} has other columns than this version's contract"
        yield wrong("models", found, f"`tally dbt build --full-refresh --select {model.name}+`")
    if not missing and not other:
        yield ok("models", f"{count} dbt models are built and have the columns of their contracts")


def _agree(model: Model, columns: list[tuple[Any, ...]], wanted: list[tuple[str, str]]) -> bool:
    # A view may be left with a column that a newer version appends; a table is written by position.
    return columns == wanted if model.materialized == "ledger" else set(wanted) <= set(columns)


@cache
def _contracts() -> dict[str, list[tuple[str, str]]]:
    """Model to its columns and their types, where all of them are declared."""
    found: dict[str, list[tuple[str, str]]] = {}
    for path in sorted(Path(PROJECT / "models").glob("*/*.yml")):
        for model in yaml.safe_load(path.read_text()).get("models", []):
            columns = [(column["name"], column.get("data_type")) for column in model.get("columns", [])]
            if columns and all(kind for _, kind in columns):
                found[model["name"]] = columns
    return found
