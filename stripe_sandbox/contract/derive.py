"""Writes contract.json: `python -m stripe_sandbox.contract.derive`. Run it again whenever the SDK is bumped."""

import importlib
import inspect
import json
import re
from pathlib import Path
from typing import Any, get_args, get_origin

import stripe
from stripe import ListObject
from stripe.v2 import ListObject as V2ListObject

from stripe_sandbox.contract.scope import MAX_LENGTHS, OPERATIONS, THIN_EVENTS
from stripe_sandbox.contract.sdk_types import Schema, TypeWalk, is_resource, resolve

CONTRACT_PATH = Path(__file__).with_name("contract.json")
REQUEST_CALL = re.compile(r'"(get|post|delete)",\s*"(/v\d/[^"]+)"')


def sdk_function(operation: str) -> Any:
    """The service method behind a dotted call name such as v1.customers.create."""
    service: Any = stripe.StripeClient("sk_test_contract")
    *attributes, method = operation.split(".")
    for attribute in attributes:
        service = getattr(service, attribute)
    return getattr(type(service), method)


def class_named(dotted: str) -> Any:
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)


def result_resources(tp: Any) -> list[Any]:
    if get_origin(tp) in (ListObject, V2ListObject):
        return result_resources(get_args(tp)[0])
    return [tp] if is_resource(tp) else []


def operation_entry(walk: TypeWalk, operation: str) -> tuple[str, str, Schema]:
    function = sdk_function(operation)
    match = REQUEST_CALL.search(inspect.getsource(function))
    if match is None:
        raise ValueError(f"{operation}: no request in the SDK's source; has the SDK's layout changed?")
    method, path = match.groups()
    annotations = function.__annotations__
    parameters: Schema = {"type": "object", "properties": {}, "additionalProperties": False}
    if "params" in annotations:
        parameters = walk.schema(annotations["params"], function.__module__)
        parameters = parameters.get("anyOf", [parameters])[0]
        parameters["type"] = "object"
    for (owner, field), limit in MAX_LENGTHS.items():
        if owner == operation:
            parameters["properties"][field]["maxLength"] = limit
    answer = walk.schema(annotations["return"], function.__module__)
    return method, path, {"operationId": operation, "x-parameters": parameters, "x-answer": answer}


def deleted_variant(schema: Schema) -> Schema:
    """Stripe answers with a stub what is deleted; the SDK's first API types it as the whole resource."""
    properties = {name: {"type": "string"} for name in ("id", "object")} | {"deleted": {"enum": [True]}}
    stub = {"type": "object", "properties": properties, "additionalProperties": False, "required": sorted(properties)}
    return {"anyOf": [schema, stub]}


def derive() -> Schema:
    functions = [sdk_function(operation) for operation in OPERATIONS]
    answers = [resolve(function.__annotations__["return"], function.__module__) for function in functions]
    resources = {tp.OBJECT_NAME: tp for answer in answers for tp in result_resources(answer)}
    thin_events = {event.LOOKUP_TYPE: event for event in map(class_named, THIN_EVENTS)}
    walk = TypeWalk(frozenset(resources), {"v2.core.event": list(thin_events)})
    schemas = {name: walk.closed_object(tp) for name, tp in (resources | thin_events).items()}
    paths: Schema = {}
    for operation in OPERATIONS:
        method, path, entry = operation_entry(walk, operation)
        if operation == "v1.customers.retrieve" or (method == "delete" and operation != "v1.subscriptions.cancel"):
            entry["x-answer"] = deleted_variant(entry["x-answer"])
        paths.setdefault(path, {})[method] = entry
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Stripe usage billing, as the sandbox speaks it",
            "version": stripe.api_version,
            "description": f"Derived from stripe-python {stripe.VERSION} by stripe_sandbox.contract.derive; "
            "not Stripe's own file.",
        },
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


def rendered() -> str:
    return json.dumps(derive(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    CONTRACT_PATH.write_text(rendered())
