"""The models' SQL as replays render it is what dbt compiles, so there is one set of rules."""

from pathlib import Path

from tally.ledger import Ledger, dbt_environment
from tally.ledger.model_sql import ledger_models, model_sql, models


def test_every_model_reads_as_dbt_compiles_it(ledger: Ledger, dbt_folder: Path) -> None:
    from tally.ledger import dbt_runner

    result = dbt_runner.invoke(["compile", "--select", "path:models"], dbt_environment(ledger.url, dbt_folder))
    compiled = {run.node.name: run.node for run in result.result.results if run.node.resource_type == "model"}
    assert compiled.keys() == models().keys()
    for name, node in compiled.items():
        as_dbt_says = node.compiled_code.replace(f'"{node.database}".', "").replace('"', "")
        assert model_sql(name, {}).replace('"', "").split() == as_dbt_says.split(), name
        model = models()[name]
        assert (model.relation, model.materialized) == (f"{node.schema}.{node.alias}", node.config.materialized)
        assert model.on_conflict == node.config.get("on_conflict", "error")
        assert set(model.reads) == {read.split(".")[-1] for read in node.depends_on.nodes if read.startswith("model.")}


def test_each_ledger_model_comes_behind_those_it_reads() -> None:
    seen: set[str] = set()
    for model in ledger_models():
        assert {name for name in model.reads if models()[name].materialized == "ledger"} <= seen
        seen.add(model.name)
