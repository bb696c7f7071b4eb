"""One sandbox for the session, emptied before each test; everything it says is held to the contract."""

from collections.abc import Iterator
from typing import Any

import pytest
from contract_checker import ContractChecker
from sandbox_shop import Shop

from stripe_sandbox.server import SandboxServer
from stripe_sandbox.settings import Settings

TEST_SETTINGS = {**Settings().as_json(), "apply_lag_seconds": 0, "error_report_window_seconds": 0}


@pytest.fixture(scope="session")
def running() -> Iterator[tuple[SandboxServer, ContractChecker]]:
    checkers: list[ContractChecker] = []

    def wrap(app: Any) -> ContractChecker:
        checkers.append(ContractChecker(app))
        return checkers[0]

    with SandboxServer(wrap=wrap) as server:
        yield server, checkers[0]


@pytest.fixture
def shop(running: tuple[SandboxServer, ContractChecker]) -> Iterator[Shop]:
    server, checker = running
    with Shop(server.url) as shop:
        shop.control("POST", "reset")
        shop.settings(**TEST_SETTINGS)
        checker.violations.clear()
        yield shop
        shop.control("GET", "health")
    assert checker.violations == []
