"""The dbt project's own rules, after those of dbt-project-evaluator (names in parentheses), all at error level."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dagster_project.lib.dbt_manifest import dbt_manifest

Node = dict[str, Any]

LAYERS = ["staging", "intermediate", "marts"]
PREFIXES = {"staging": "stg_", "intermediate": "int_"}
# How many sources a model of the layer reads, and whether any model.
READS = {"staging": (1, False)}
LEAVES_AT_MOST = 3
VIEWS_ON_VIEWS_AT_MOST = 4


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Node:
    return dict(dbt_manifest(tmp_path_factory.mktemp("dbt_rules")))


@pytest.fixture(scope="module")
def models(manifest: Node) -> dict[str, Node]:
    """Unique id to model."""
    return {node_id: node for node_id, node in manifest["nodes"].items() if node["resource_type"] == "model"}


@pytest.fixture(scope="module")
def tests(manifest: Node) -> list[Node]:
    return [node for node in manifest["nodes"].values() if node["resource_type"] == "test"]


def layer(model: Node) -> str:
    return str(model["fqn"][1])


def reads(model: Node, kind: str) -> list[str]:
    """The unique ids of the models or sources that a model reads."""
    return [node_id for node_id in model["depends_on"]["nodes"] if node_id.startswith(kind)]


def readers(models: dict[str, Node], node_id: str) -> list[str]:
    return [reader for reader, model in models.items() if node_id in model["depends_on"]["nodes"]]


def test_a_model_is_named_and_placed_by_its_layer(models: dict[str, Node]) -> None:
    """(model naming conventions, model directories)"""
    misnamed = [
        model["name"]
        for model in models.values()
        if PREFIXES.get(layer(model), "") != "".join(re.findall(r"^(?:stg_|int_|fct_|dim_)", model["name"]))
    ]
    assert misnamed == []
    assert {layer(model) for model in models.values()} == set(LAYERS)


def test_a_model_is_described_beside_its_sql(models: dict[str, Node]) -> None:
    """(undocumented models, test directories)"""
    undescribed = [model["name"] for model in models.values() if not model["description"]]
    elsewhere = [
        model["name"]
        for model in models.values()
        if Path(model["patch_path"].split("://")[1]).parent != Path(model["original_file_path"]).parent
    ]
    assert undescribed + elsewhere == []


def test_every_source_table_is_described_and_staged_by_exactly_one_model(
    manifest: Node, models: dict[str, Node], tests: list[Node]
) -> None:
    """(undocumented source tables, unused sources, source fanout); what integrity tests alone read needs no staging."""
    sources = manifest["sources"]
    assert [source["name"] for source in sources.values() if not source["description"]] == []
    read_by_models = {name: len(readers(models, name)) for name in sources}
    assert {name: count for name, count in read_by_models.items() if count > 1} == {}
    read_by_tests = {node_id for test in tests for node_id in test["depends_on"]["nodes"]}
    assert {name for name, count in read_by_models.items() if count == 0} - read_by_tests == set()


def test_staging_reads_one_source_and_nothing_else_reads_any(models: dict[str, Node]) -> None:
    """(direct join to source, multiple sources joined, staging dependent on other models, root models)"""
    wrong = {
        model["name"]: model["depends_on"]["nodes"]
        for model in models.values()
        if (len(reads(model, "source.")), bool(reads(model, "model."))) != READS.get(layer(model), (0, True))
    }
    assert wrong == {}


def test_no_model_reads_a_later_layer(models: dict[str, Node]) -> None:
    """(staging or intermediate dependent on marts)"""
    backwards = [
        (model["name"], models[parent]["name"])
        for model in models.values()
        for parent in reads(model, "model.")
        if LAYERS.index(layer(models[parent])) > LAYERS.index(layer(model))
    ]
    assert backwards == []


def test_relations_are_named_by_ref_and_source_alone(manifest: Node) -> None:
    """(hard-coded references)"""
    schemas = "raw|tally|staging|ledger|marts"
    hard_coded = {
        node["name"]: found
        for node in manifest["nodes"].values()
        if node["resource_type"] in ("model", "test")
        if (found := re.findall(rf"\b(?:from|join|using)\s+(?:{schemas})\.\w+(?!\w*\()", node["raw_code"]))
    }
    assert hard_coded == {}


def test_every_model_has_a_tested_primary_key(models: dict[str, Node], tests: list[Node]) -> None:
    """(missing primary key tests); a ledger table's own key is the one that is tested."""
    tested: dict[str, list[list[str]]] = {}
    for test in tests:
        asked = test.get("test_metadata") or {"name": ""}
        if asked["name"] == "grain_is_unique":
            tested.setdefault(test["attached_node"], []).append(asked["kwargs"]["columns"])
        if asked["name"] == "unique":
            tested.setdefault(test["attached_node"], []).append([asked["kwargs"]["column_name"]])
    assert [model["name"] for node_id, model in models.items() if node_id not in tested] == []
    differing = [
        model["name"]
        for node_id, model in models.items()
        for constraint in model["constraints"]
        if constraint["type"] == "primary_key" and constraint["columns"] not in tested[node_id]
    ]
    assert differing == []
    assert [model["name"] for model in models.values() if is_ledger(model) and not model["constraints"]] == []


def is_ledger(model: Node) -> bool:
    return bool(model["config"]["materialized"] == "ledger")


def test_every_model_that_decides_something_has_unit_tests(manifest: Node, models: dict[str, Node]) -> None:
    """(test coverage); staging renames nothing and decides nothing but the payload's fingerprint."""
    tested = {node_id for test in manifest["unit_tests"].values() for node_id in test["depends_on"]["nodes"][:1]}
    deciding = {node_id for node_id, model in models.items() if layer(model) != "staging"}
    assert deciding - tested == set()


def test_every_column_of_a_contract_is_described(models: dict[str, Node]) -> None:
    """(documentation coverage)"""
    contracted = [model for model in models.values() if layer(model) != "staging"]
    assert [model["name"] for model in contracted if not model["contract"]["enforced"]] == []
    undescribed = [
        f"{model['name']}.{column['name']}"
        for model in contracted
        for column in model["columns"].values()
        if not column["description"]
    ]
    assert undescribed == []


def test_what_nothing_reads_is_exposed_to_somebody(manifest: Node, models: dict[str, Node], tests: list[Node]) -> None:
    """(exposure parents); whoever reads the end of a lineage is written down with an owner, or a test."""
    exposed = {node_id for exposure in manifest["exposures"].values() for node_id in exposure["depends_on"]["nodes"]}
    by_tests = {node_id for test in tests if not test.get("test_metadata") for node_id in test["depends_on"]["nodes"]}
    unread = {node_id for node_id in models if not readers(models, node_id)}
    assert unread - exposed - by_tests == set()
    assert {layer(models[node_id]) for node_id in exposed} <= {"intermediate", "marts"}


def test_no_model_fans_out_into_many_ends(models: dict[str, Node]) -> None:
    """(model fanout)"""
    ends = Counter(
        parent for node_id, model in models.items() if not readers(models, node_id) for parent in reads(model, "model.")
    )
    assert {node_id: count for node_id, count in ends.items() if count > LEAVES_AT_MOST} == {}


def test_views_are_not_stacked_high(models: dict[str, Node]) -> None:
    """(chained views); staging views are columns of one table and do not count."""

    def height(node_id: str) -> int:
        model = models[node_id]
        own = 0 if is_ledger(model) or layer(model) == "staging" else 1
        return own and own + max(height(parent) for parent in reads(model, "model."))

    heights = {model["name"]: height(node_id) for node_id, model in models.items()}
    assert max(heights.values()) > 1
    assert {name: views for name, views in heights.items() if views > VIEWS_ON_VIEWS_AT_MOST} == {}


def test_an_integrity_test_says_its_rule_and_what_is_at_stake(tests: list[Node]) -> None:
    singular = [test for test in tests if not test.get("test_metadata")]
    assert len(singular) > 10
    silent = [
        test["name"]
        for test in singular
        if not (test["raw_code"].startswith("-- Rule: ") and "At stake: " in test["raw_code"] and test["description"])
    ]
    assert silent == []
    assert [test["name"] for test in tests if not test["config"]["enabled"]] == []
