"""`expand`: ids replaced by the objects they name, and the tiers of prices, which are left out otherwise."""

from typing import Any

from stripe_sandbox import invoice_store, subscription_store
from stripe_sandbox.errors import invalid
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace, public

KIND_OF_FIELD = {
    "customer": "customer",
    "latest_invoice": "invoice",
    "price": "price",
    "product": "product",
    "subscription": "subscription",
    "test_clock": "test_helpers.test_clock",
}


def expand(workspace: Workspace, answer: Json, paths: list[str]) -> None:
    for path in paths:
        _expand(workspace, answer, path.split("."), path)


def _expand(workspace: Workspace, node: Any, parts: list[str], path: str) -> None:
    if isinstance(node, list):
        for each in node:
            _expand(workspace, each, parts, path)
        return
    if node is None or not parts:
        return
    field = parts[0]
    if not isinstance(node, dict) or (field not in node and not _has_tiers(node, field)):
        raise invalid(f"This property cannot be expanded ({path}).", "expand")
    if field == "tiers":
        node["tiers"] = workspace.get("price", node["id"])["_tiers"]
    elif isinstance(node[field], str):
        if field not in KIND_OF_FIELD:
            raise invalid(f"This property cannot be expanded ({path}).", "expand")
        node[field] = _object(workspace, KIND_OF_FIELD[field], node[field])
    _expand(workspace, node.get(field), parts[1:], path)


def _has_tiers(node: Json, field: str) -> bool:
    return field == "tiers" and node.get("object") == "price"


def _object(workspace: Workspace, kind: str, object_id: str) -> Json:
    found = workspace.get(kind, object_id)
    if kind == "subscription":
        return subscription_store.shown(workspace, found)
    if kind == "invoice":
        return invoice_store.shown(workspace, found)
    return public(found)
