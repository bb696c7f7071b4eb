"""Which SDK call is answered by which function, with the request's shape taken from the contract."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stripe_sandbox.parameters import Takes, takes_tree
from stripe_sandbox.state import Json

CONTRACT_PATH = Path(__file__).parent / "contract" / "contract.json"
PLACEHOLDER = re.compile(r"\{\w+\}")


@dataclass(frozen=True)
class Operation:
    """`handler(workspace, parameters, *ids in the path)`; `takes` names the parameters it implements, dotted."""

    handler: Callable[..., Json]
    takes: str = ""


@dataclass(frozen=True)
class Route:
    name: str
    method: str
    pattern: re.Pattern[str]
    handler: Callable[..., Json]
    takes: Takes
    parameters: Json


class RouteTable:
    """Finds the operation of a request; paths without ids are looked up, the few others matched in turn."""

    def __init__(self, operations: dict[str, Operation]) -> None:
        self._exact: dict[tuple[str, str], Route] = {}
        self._patterns: dict[str, list[Route]] = {}
        contract = json.loads(CONTRACT_PATH.read_text())
        for path, methods in contract["paths"].items():
            for method, entry in methods.items():
                operation = operations[entry["operationId"]]
                pattern = re.compile(PLACEHOLDER.sub("([^/]+)", path) + "$")
                route = Route(
                    name=entry["operationId"],
                    method=method.upper(),
                    pattern=pattern,
                    handler=operation.handler,
                    takes=takes_tree(operation.takes),
                    parameters=entry["x-parameters"],
                )
                if "{" in path:
                    self._patterns.setdefault(route.method, []).append(route)
                else:
                    self._exact[route.method, path] = route

    def all_routes(self) -> list[Route]:
        return [*self._exact.values(), *(route for routes in self._patterns.values() for route in routes)]

    def find(self, method: str, path: str) -> tuple[Route, tuple[Any, ...]] | None:
        exact = self._exact.get((method, path))
        if exact is not None:
            return exact, ()
        for route in self._patterns.get(method, ()):
            match = route.pattern.match(path)
            if match is not None:
                return route, match.groups()
        return None
