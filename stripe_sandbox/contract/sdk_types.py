"""From the SDK's annotations to JSON Schema: one walk over types, closed objects throughout."""

import ast
import importlib
import inspect
import sys
import typing
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from types import ModuleType, UnionType
from typing import Any, ForwardRef, Literal, Union, get_args, get_origin

import typing_extensions
from stripe import ListObject, StripeObject
from stripe._request_options import RequestOptions
from stripe._stripe_object import UntypedStripeObject
from stripe.v2 import ListObject as V2ListObject

from stripe_sandbox.contract.scope import BARE_FIELDS

Schema = dict[str, Any]
NOT_FIELDS = frozenset(RequestOptions.__annotations__)


class ModuleNames(Mapping[str, Any]):
    """Names a module can use, its TYPE_CHECKING imports included; those are imported when first asked for."""

    def __init__(self, module: ModuleType) -> None:
        self._globals = vars(module)
        tree = ast.parse(inspect.getsource(module))
        self._imports = {
            alias.asname or alias.name: (node.module or "", alias.name)
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }

    def __getitem__(self, name: str) -> Any:
        if name in self._globals:
            return self._globals[name]
        module, attribute = self._imports[name]
        return getattr(importlib.import_module(module), attribute)

    def __iter__(self) -> Iterator[str]:
        return iter({**self._globals, **self._imports})

    def __len__(self) -> int:
        return len({**self._globals, **self._imports})


@cache
def names_of(module_name: str) -> ModuleNames:
    return ModuleNames(sys.modules.get(module_name) or importlib.import_module(module_name))


def resolve(annotation: Any, module_name: str) -> Any:
    """Evaluate a string or forward reference as its own module would."""
    while isinstance(annotation, str | ForwardRef):
        text = annotation if isinstance(annotation, str) else annotation.__forward_arg__
        annotation = eval(text, {}, names_of(module_name))  # the SDK's own source text, nothing else
    return annotation


def is_resource(tp: Any) -> bool:
    return isinstance(tp, type) and issubclass(tp, StripeObject) and hasattr(tp, "OBJECT_NAME")


class TypeWalk:
    """Turns types into schemas. Top-level resources become references when they are among `components`.

    `choices` names, for a resource that the SDK types by a base class only, the components it really comes as.
    """

    def __init__(self, components: frozenset[str], choices: dict[str, list[str]]) -> None:
        self.components = components
        self.choices = choices

    def schema(self, tp: Any, module: str) -> Schema:
        tp = resolve(tp, module)
        origin, args = get_origin(tp), get_args(tp)
        if origin in (typing_extensions.NotRequired, typing.NotRequired):
            return self.schema(args[0], module)
        if origin is Literal:
            return {"enum": sorted(args)}
        if origin in (Union, UnionType):
            return self._union(args, module)
        if origin in (list, tuple):
            return {"type": "array", "items": self.schema(args[0], module)}
        if origin is dict or origin is UntypedStripeObject:
            return {"type": "object", "additionalProperties": self.schema(args[-1], module)}
        if origin in (ListObject, V2ListObject):
            return self.list_envelope(args[0], module, v2=origin is V2ListObject)
        return self._plain(tp)

    def _plain(self, tp: Any) -> Schema:
        scalars: dict[Any, Schema] = {
            str: {"type": "string"},
            int: {"type": "integer"},
            bool: {"type": "boolean"},
            float: {"type": "number"},
            Decimal: {"type": "string", "format": "decimal"},
        }
        if tp in scalars:
            return dict(scalars[tp])
        if is_resource(tp):
            name = tp.OBJECT_NAME
            if name in self.choices:
                return {"anyOf": [reference(choice) for choice in self.choices[name]]}
            return reference(name) if name in self.components else {"type": "object"}
        if isinstance(tp, type) and (typing_extensions.is_typeddict(tp) or issubclass(tp, StripeObject)):
            return self.closed_object(tp)
        return {}

    def _union(self, args: tuple[Any, ...], module: str) -> Schema:
        options = [resolve(arg, module) for arg in args]
        nullable = type(None) in options
        options = [option for option in options if option is not type(None)]
        if any(get_origin(option) is Literal and "" not in get_args(option) for option in options):
            # `Literal[...] | str` is an open enum for readers; what the sandbox takes and says stays inside it.
            options = [option for option in options if option is not str]
        schemas: list[Schema] = []
        for option in options:
            # `str | Resource` is an id that a caller may expand: the inside of an expanded object is its own affair.
            schema = {"type": "object"} if is_resource(option) and str in options else self.schema(option, module)
            if schema not in schemas:
                schemas.append(schema)
        schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
        return nullable_schema(schema) if nullable else schema

    def closed_object(self, tp: type) -> Schema:
        fields: dict[str, Any] = {}
        for base in reversed(tp.__mro__):
            if base.__module__.startswith("stripe.") and base not in (StripeObject, RequestOptions):
                fields |= {name: (hint, base.__module__) for name, hint in inspect.get_annotations(base).items()}
        is_parameters = typing_extensions.is_typeddict(tp)
        properties: Schema = {}
        required: list[str] = []
        for name, (hint, module) in sorted(fields.items()):
            if name.startswith("_") or name == "OBJECT_NAME" or (is_parameters and name in NOT_FIELDS):
                continue
            hint = resolve(hint, module)
            schema = self.schema(hint, module)
            properties[name] = bare(schema) if name in BARE_FIELDS else schema
            optional = get_origin(hint) in (typing_extensions.NotRequired, typing.NotRequired) or accepts_null(schema)
            if not optional:
                required.append(name)
        result: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
        return {**result, "required": required} if required else result

    def list_envelope(self, item: Any, module: str, v2: bool) -> Schema:
        data = {"type": "array", "items": self.schema(item, module)}
        if v2:
            page = {
                "data": data,
                "next_page_url": {"type": ["string", "null"]},
                "previous_page_url": {"type": ["string", "null"]},
            }
            return {"type": "object", "properties": page, "additionalProperties": False, "required": ["data"]}
        properties = {
            "object": {"enum": ["list"]},
            "data": data,
            "has_more": {"type": "boolean"},
            "url": {"type": "string"},
        }
        return {
            "type": "object",
            "properties": properties,
            "additionalProperties": False,
            "required": sorted(properties),
        }


def reference(component: str) -> Schema:
    return {"$ref": f"#/components/schemas/{component}"}


def accepts_null(schema: Schema) -> bool:
    return (
        "null" in schema.get("type", ())
        or None in schema.get("enum", ())
        or {"type": "null"} in schema.get("anyOf", ())
    )


def nullable_schema(schema: Schema) -> Schema:
    if "enum" in schema:
        return {**schema, "enum": [*schema["enum"], None]}
    if isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [*schema.get("anyOf", [schema]), {"type": "null"}]}


def bare(schema: Schema) -> Schema:
    """Keep only what kind of thing it is."""
    if "type" in schema:
        return {"type": schema["type"]}
    return {"type": ["object", "array", "string", "null"] if accepts_null(schema) else ["object", "array", "string"]}
