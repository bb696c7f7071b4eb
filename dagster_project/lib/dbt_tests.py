"""The dbt data tests as claims about tables: a short name, a sentence, and the model each one speaks of."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Manifest = Mapping[str, Any]

_SENTENCES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "not_null": lambda asked: f"{asked['column_name']} is never empty.",
    "unique": lambda asked: f"{asked['column_name']} names one row.",
    "accepted_values": lambda asked: f"{asked['column_name']} is one of {', '.join(map(str, asked['values']))}.",
    "grain_is_unique": lambda asked: f"No two rows share {', '.join(asked['columns'])}.",
}
# What a test's author wrote above its SQL.
_HEADER = re.compile(r"\s*(?:\{#-?(?P<jinja>.*?)-?#\}|(?P<lines>(?:--[^\n]*\n)+))", re.DOTALL)


@dataclass(frozen=True)
class DataTest:
    """One dbt data test. `node_id` is the model (or source) it speaks of: of several it reads, the furthest down."""

    unique_id: str
    node_id: str
    name: str
    description: str


def data_tests(manifest: Manifest) -> Iterator[DataTest]:
    """Every data test of the project; unit tests are not among them."""
    for unique_id, node in manifest["nodes"].items():
        if node["resource_type"] == "test":
            node_id = node.get("attached_node") or _furthest_down(manifest, node["depends_on"]["nodes"])
            yield DataTest(unique_id, node_id, _name(node), _description(node))


def _furthest_down(manifest: Manifest, read: list[str]) -> str:
    return next(one for one in read if not any(one in _upstream(manifest, other) for other in read))


def _upstream(manifest: Manifest, node_id: str) -> set[str]:
    parents = set(manifest["parent_map"].get(node_id, ()))
    return parents.union(*(_upstream(manifest, parent) for parent in parents))


def _name(node: Mapping[str, Any]) -> str:
    """dbt's generated names repeat the model and every column; on the model's own page the claim is enough."""
    generic = node.get("test_metadata")
    if generic is None:
        return str(node["name"])
    return "_".join(filter(None, (generic["name"], generic["kwargs"].get("column_name"))))


def _description(node: Mapping[str, Any]) -> str:
    generic = node.get("test_metadata")
    if node["description"]:
        return str(node["description"])
    if generic is not None:
        sentence = _SENTENCES.get(generic["name"])
        return sentence(generic["kwargs"]) if sentence else generic["name"].replace("_", " ")
    header = _HEADER.match(node["raw_code"])
    if header is None:
        return str(node["name"]).replace("_", " ")
    text = header["jinja"] or header["lines"].replace("--", "")
    return " ".join(text.split())
