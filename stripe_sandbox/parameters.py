"""Reads a request's parameters by the contract: types, required and unknown ones, and what the sandbox leaves out."""

import re
from typing import Any

from stripe_sandbox.errors import ParameterError, missing_parameter

INTEGER = re.compile(r"^-?\d+$")
Takes = dict[str, Any]


def takes_tree(names: str) -> Takes:
    """`"customer items.price"` -> {"customer": {}, "items": {"price": {}}}; an empty one takes its whole inside."""
    tree: Takes = {"expand": {}}
    for name in names.split():
        node = tree
        for part in name.split("."):
            node = node.setdefault(part, {})
    return tree


def read_parameters(schema: dict[str, Any], takes: Takes, tree: Any, *, is_text: bool) -> dict[str, Any]:
    result: dict[str, Any] = _Reader(is_text).read_object(schema, takes, tree, "")
    return result


class _Reader:
    def __init__(self, is_text: bool) -> None:
        self.is_text = is_text  # forms carry text for everything; JSON carries types

    def read(self, schema: dict[str, Any], takes: Takes, value: Any, path: str) -> Any:
        if "anyOf" in schema:
            return self._first_that_fits(schema["anyOf"], takes, value, path)
        if "enum" in schema:
            if value in schema["enum"]:
                return value if value != "" else None
            choices = ", ".join(str(choice) for choice in schema["enum"] if choice)
            raise ParameterError(f"Invalid {path}: must be one of {choices}", param=path)
        types = schema.get("type", "any")
        types = [types] if isinstance(types, str) else types
        if "null" in types and value in ("", None):
            return None
        return self._typed(types[0], schema, takes, value, path)

    def _typed(self, kind: str, schema: dict[str, Any], takes: Takes, value: Any, path: str) -> Any:
        if kind == "object":
            return self.read_object(schema, takes, value, path)
        if kind == "array":
            return self._read_array(schema, takes, value, path)
        if kind == "integer":
            return self._read_integer(value, path)
        if kind == "boolean":
            choices: dict[Any, bool] = {"true": True, "false": False} if self.is_text else {True: True, False: False}
            if isinstance(value, dict | list) or value not in choices:
                raise ParameterError(f"Invalid boolean: {value}", code="parameter_invalid_boolean", param=path)
            return choices[value]
        if kind == "string":
            return self._read_string(schema, value, path)
        return value

    def _first_that_fits(self, options: list[dict[str, Any]], takes: Takes, value: Any, path: str) -> Any:
        error: ParameterError | None = None
        for option in options:
            try:
                return self.read(option, takes, value, path)
            except ParameterError as refusal:
                # The complaint about the inside of an object beats "is not text" from the other reading.
                error = (
                    refusal if error is None or isinstance(value, dict) == (option.get("type") == "object") else error
                )
        assert error is not None
        raise error

    def read_object(self, schema: dict[str, Any], takes: Takes, value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ParameterError("Invalid object", code="parameter_invalid_object", param=path)
        properties = schema.get("properties")
        if properties is None:
            inside = schema.get("additionalProperties", {})
            return {key: self.read(inside, {}, each, f"{path}[{key}]") for key, each in value.items()}
        result = {}
        for key, each in value.items():
            where = f"{path}[{key}]" if path else key
            if key not in properties:
                raise ParameterError(f"Received unknown parameter: {where}", code="parameter_unknown", param=where)
            if takes and key not in takes:
                raise ParameterError(
                    f"Stripe takes {where}, but this sandbox does not implement it.",
                    code="parameter_not_in_sandbox",
                    param=where,
                )
            result[key] = self.read(properties[key], takes.get(key, {}), each, where)
        for key in schema.get("required", ()):
            if key not in result:
                raise missing_parameter(f"{path}[{key}]" if path else key)
        return result

    def _read_array(self, schema: dict[str, Any], takes: Takes, value: Any, path: str) -> list[Any]:
        if self.is_text and value == "":
            return []
        if self.is_text and isinstance(value, dict) and all(key.isdigit() for key in value):
            value = [value[key] for key in sorted(value, key=int)]
        if not isinstance(value, list):
            raise ParameterError("Invalid array", code="parameter_invalid_array", param=path)
        return [self.read(schema["items"], takes, each, f"{path}[{index}]") for index, each in enumerate(value)]

    def _read_integer(self, value: Any, path: str) -> int:
        if self.is_text and isinstance(value, str) and INTEGER.match(value):
            return int(value)
        if not self.is_text and isinstance(value, int) and not isinstance(value, bool):
            return value
        raise ParameterError(f"Invalid integer: {value}", code="parameter_invalid_integer", param=path)

    def _read_string(self, schema: dict[str, Any], value: Any, path: str) -> str:
        if not isinstance(value, str):
            raise ParameterError("Invalid string", code="parameter_invalid_string", param=path)
        limit = schema.get("maxLength")
        if limit is not None and len(value) > limit:
            message = f"Invalid string: {value[:10]}…; must be at most {limit} characters"
            raise ParameterError(message, code="parameter_invalid_string", param=path)
        return value
