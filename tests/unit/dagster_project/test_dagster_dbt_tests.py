"""dbt tests as claims: what each is called, what it says, and of which table it speaks."""

from typing import Any

from dagster_project.lib.dbt_tests import DataTest, data_tests


def manifest(**test: Any) -> dict[str, Any]:
    """Two models, b made from a, and one test."""
    node = {"resource_type": "test", "name": "t", "description": "", "raw_code": "", "depends_on": {"nodes": []}}
    return {
        "nodes": {
            "model.a": {"resource_type": "model"},
            "model.b": {"resource_type": "model"},
            "unit_test.u": {"resource_type": "unit_test"},
            "test.t": node | test,
        },
        "parent_map": {"model.a": ["source.s"], "model.b": ["model.a"]},
    }


def only(declared: dict[str, Any]) -> DataTest:
    (test,) = data_tests(declared)
    return test


def test_a_generic_test_is_named_by_its_claim_and_column() -> None:
    generic = {"name": "not_null", "kwargs": {"column_name": "metric"}}
    test = only(manifest(attached_node="model.a", name="not_null_a_metric", test_metadata=generic))
    assert (test.node_id, test.name, test.description) == ("model.a", "not_null_metric", "metric is never empty.")


def test_a_key_of_several_columns_is_spelt_out() -> None:
    generic = {"name": "grain_is_unique", "kwargs": {"columns": ["tenant_id", "metric"]}}
    test = only(manifest(attached_node="model.a", test_metadata=generic))
    assert (test.name, test.description) == ("grain_is_unique", "No two rows share tenant_id, metric.")


def test_a_singular_test_speaks_of_the_furthest_model_and_says_what_its_header_says() -> None:
    code = "-- Rule: b is a, summed.\n-- At stake: the bill.\nselect 1"
    test = only(manifest(name="assert_b", raw_code=code, depends_on={"nodes": ["model.a", "model.b"]}))
    assert (test.node_id, test.name) == ("model.b", "assert_b")
    assert test.description == "Rule: b is a, summed. At stake: the bill."


def test_a_header_may_be_a_jinja_comment() -> None:
    test = only(manifest(raw_code="{#- The sum holds. -#}\nselect 1", depends_on={"nodes": ["model.a"]}))
    assert test.description == "The sum holds."


def test_without_a_header_the_name_is_the_claim() -> None:
    test = only(manifest(name="assert_sums_hold", raw_code="select 1", depends_on={"nodes": ["source.s"]}))
    assert (test.node_id, test.description) == ("source.s", "assert sums hold")
