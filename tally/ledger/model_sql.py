"""The dbt models' SQL over relations of the caller's choice: whoever counts aside counts by the very same rules.

Rendered with dbt's template language and the project's own macros, but without dbt, whose start costs seconds. A test
holds the result against what `dbt compile` makes of each model.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tally.ledger.environment import PROJECT

_SCHEMAS = {"staging": "staging", "intermediate": "ledger", "marts": "marts"}


@dataclass(frozen=True)
class Model:
    """A dbt model. `schema` and `name` are those of its relation; `reads` are the models that it refers to."""

    name: str
    schema: str
    materialized: str
    on_conflict: str
    reads: tuple[str, ...]

    @property
    def relation(self) -> str:
        """`schema.name`, as tally.model_bounds has it."""
        return f"{self.schema}.{self.name}"


@cache
def models() -> Mapping[str, Model]:
    """Every model by its name."""
    return {path.stem: _read(path) for path in (PROJECT / "models").glob("*/*.sql")}


@cache
def ledger_models() -> tuple[Model, ...]:
    """The models that read windows of landed rows, each behind those that it reads."""
    ordered: dict[str, Model] = {}
    for model in sorted(models().values(), key=lambda model: model.name):
        ordered |= {found.name: found for found in _in_order(model)}
    return tuple(model for model in ordered.values() if model.materialized == "ledger")


def model_sql(name: str, in_place: Mapping[str, str]) -> str:
    """The query of model `name`, over everything that landed; `in_place` maps models to the relations read instead."""

    def ref(read: str) -> str:
        return in_place.get(read, models()[read].relation)

    return str(_template(name, ref, in_place.get(name, models()[name].relation)).render())


def _in_order(model: Model) -> Iterator[Model]:
    for name in model.reads:
        yield from _in_order(models()[name])
    yield model


def _read(path: Path) -> Model:
    reads: list[str] = []
    config: dict[str, Any] = {"materialized": "view" if path.parent.name == "staging" else "ledger"}

    def ref(name: str) -> str:
        if name not in reads:
            reads.append(name)
        return name

    def configure(**given: Any) -> str:
        config.update(given)
        return ""

    _template(path.stem, ref, path.stem, configure).render()
    schema, on_conflict = _SCHEMAS[path.parent.name], str(config.get("on_conflict", "error"))
    return Model(path.stem, schema, str(config["materialized"]), on_conflict, tuple(reads))


def _template(name: str, ref: Any, this: str, config: Any = lambda **_: "") -> Any:
    environment = Environment(
        loader=FileSystemLoader(PROJECT), undefined=StrictUndefined, autoescape=False, extensions=["jinja2.ext.do"]
    )
    environment.globals |= {
        "ref": ref,
        "source": lambda schema, table: f"{schema}.{table}",
        "this": this,
        "config": config,
        "return": lambda value: value,
        "var": lambda _name, default: default,  # only the reconciliation has any, and nobody counts it aside
    }
    for path in sorted((PROJECT / "macros").glob("*.sql")):
        # A materialization is dbt's own kind of block, and none of a query's business.
        if "{% materialization" not in path.read_text():
            module = environment.get_template(f"macros/{path.name}").module
            environment.globals |= {macro: getattr(module, macro) for macro in dir(module) if not macro.startswith("_")}
    (path,) = (PROJECT / "models").glob(f"*/{name}.sql")
    return environment.get_template(path.relative_to(PROJECT).as_posix())
