"""An ASGI middleware for tests: holds every request that succeeds, and every answer, to the contract.

It reads requests by itself instead of through the sandbox's own reader, so that one checks the other.
"""

import json
import re
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from jsonschema import Draft202012Validator
from jsonschema.validators import extend
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stripe_sandbox.contract.derive import CONTRACT_PATH

CONTRACT = json.loads(CONTRACT_PATH.read_text())
ERROR = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["type", "message"],
            "additionalProperties": False,
            "properties": {name: {"type": "string"} for name in ("type", "message", "code", "param")},
        }
    },
}


def _is_text(pattern: str) -> Any:
    return lambda _checker, value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _is_unset(_checker: Any, value: Any) -> bool:
    return value is None or value == ""


FormValidator = extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": _is_text(r"-?\d+"), "boolean": _is_text("true|false"), "null": _is_unset}
    ),
)


class ContractChecker:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.violations: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/_sandbox"):
            await self._app(scope, receive, send)
            return
        request, answer, status = bytearray(), bytearray(), 0

        async def noted_receive() -> Message:
            message = await receive()
            request.extend(message.get("body", b""))
            return message

        async def noted_send(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            answer.extend(message.get("body", b""))
            await send(message)

        await self._app(scope, noted_receive, noted_send)
        if status:
            self._check(scope, bytes(request).decode(), status, bytes(answer))

    def _check(self, scope: Scope, request: str, status: int, answer: bytes) -> None:
        call = f"{scope['method']} {scope['path']}"
        try:
            shown = json.loads(answer)
        except ValueError:
            return  # a scripted failure: cut off, or not Stripe's answer at all
        if status >= 400:
            self._note(call, Draft202012Validator(ERROR), shown)
            return
        entry = find_entry(scope["method"].lower(), scope["path"])
        if entry is None:
            self.violations.append(f"{call}: not in the contract")
            return
        self._note(call, validator(entry["operationId"], "x-answer"), shown)
        self._check_events(call, shown)
        is_json = scope["path"].startswith("/v2") and scope["method"] == "POST"
        text = scope["query_string"].decode() if scope["method"] in ("GET", "DELETE") else request
        parameters = json.loads(text or "{}") if is_json else form_tree(text)
        self._note(call, validator(entry["operationId"], "x-parameters", is_form=not is_json), parameters)

    def _check_events(self, call: str, shown: Any) -> None:
        """A snapshot event's object is of any kind; hold it to its own."""
        for event in shown.get("data", [shown]) if shown.get("object") in ("list", "event") else []:
            if event["object"] == "event":
                self._note(
                    f"{call} ({event['type']})",
                    component_validator(event["data"]["object"]["object"]),
                    event["data"]["object"],
                )

    def _note(self, call: str, checker: Any, instance: Any) -> None:
        for error in checker.iter_errors(instance):
            self.violations.append(f"{call}: {error.json_path}: {error.message[:300]}")


def find_entry(method: str, path: str) -> dict[str, Any] | None:
    for template, methods in CONTRACT["paths"].items():
        if method in methods and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            entry: dict[str, Any] = methods[method]
            return entry
    return None


@cache
def validator(operation: str, part: str, is_form: bool = False) -> Any:
    entries = (entry for methods in CONTRACT["paths"].values() for entry in methods.values())
    entry = next(entry for entry in entries if entry["operationId"] == operation)
    kind = FormValidator if is_form else Draft202012Validator
    return kind({**entry[part], "components": CONTRACT["components"]})


@cache
def component_validator(component: str) -> Any:
    return Draft202012Validator({**CONTRACT["components"]["schemas"][component], "components": CONTRACT["components"]})


def form_tree(text: str) -> Any:
    """`a[b][0]=x` as {"a": {"b": ["x"]}}."""
    tree: dict[str, Any] = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        *parents, last = re.findall(r"[^\[\]]+", key)
        node = tree
        for part in parents:
            node = node.setdefault(part, {})
        node[last] = value
    return _with_lists(tree)


def _with_lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(key.isdigit() for key in node):
        return [_with_lists(node[key]) for key in sorted(node, key=int)]
    return {key: _with_lists(value) for key, value in node.items()}
